#include "report.hpp"

#include <ostream>

namespace bench {
namespace {

std::string quoted(const std::string& text) {
    std::string found = "\"";
    for (const char each : text) {
        if (each == '"' || each == '\\')
            found += '\\';
        found += each;
    }
    return found + '"';
}

/// Writes `{each, each, ...}`, or with other brackets; `write` writes one.
template <class Range, class F>
void write_list(std::ostream& out, const char* brackets, const Range& range, F write) {
    out << brackets[0];
    const char* comma = "";
    for (const auto& each : range) {
        out << comma;
        write(each);
        comma = ", ";
    }
    out << brackets[1];
}

void write_table(std::ostream& out, const table& of) {
    out << "{\"title\": " << quoted(of.title) << ", \"rows\": ";
    write_list(out, "[]", of.rows, [&](const row& each) {
        out << "\n  {\"name\": " << quoted(each.what.name)
            << ", \"unit\": " << quoted(each.what.unit) << ", \"group\": " << quoted(each.group)
            << ", \"repetitions\": ";
        write_list(out, "{}", of.columns, [&](const column& in) {
            out << quoted(in.name) << ": ";
            write_list(out, "[]", each.measured[of.column_of(in.name)],
                       [&](double value) { out << value; });
        });
        out << '}';
    });
    out << '}';
}

} // namespace

void write_json(std::ostream& out, const report& from) {
    out << "{\"about\": ";
    write_list(out, "{}", from.about,
               [&](const auto& each) { out << quoted(each.first) << ": " << quoted(each.second); });
    out << ",\n\"works\": ";
    write_table(out, from.works);
    out << ",\n\"gates\": ";
    write_list(out, "[]", verdicts(from.works), [&](const verdict& each) {
        out << "\n  {\"name\": " << quoted(each.name) << ", \"unit\": " << quoted(each.unit)
            << ", \"value\": " << each.value << ", \"at_most\": " << each.at_most
            << ", \"holds\": " << (each.holds() ? "true" : "false") << '}';
    });
    out << ",\n\"growth\": ";
    write_list(out, "[]", from.growth, [&](const table& each) { write_table(out, each); });
    out << "}\n";
}

} // namespace bench
