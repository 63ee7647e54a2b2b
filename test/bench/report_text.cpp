#include "report.hpp"

#include <algorithm>
#include <iomanip>
#include <ostream>

namespace bench {
namespace {

constexpr int name_width = 44;

void write_head(std::ostream& out, const table& of, const std::string& corner, int width) {
    out << std::left << std::setw(name_width) << corner << std::right;
    for (const column& each : of.columns)
        out << ' ' << std::setw(width) << each.title;
}

void write_works(std::ostream& out, const table& works) {
    constexpr int width = 15;
    write_head(out, works, works.title, width);
    out << '\n';
    for (const std::string& group : groups_of(works)) {
        out << group << '\n';
        for (const row& each : works.rows) {
            if (each.group != group)
                continue;
            out << "  " << std::left << std::setw(name_width - 2)
                << each.what.name + " [" + each.what.unit + "]" << std::right;
            for (std::size_t i = 0; i < works.columns.size(); ++i)
                out << ' ' << std::setw(width) << median_and_spread(each, i);
            out << '\n';
        }
    }
}

void write_gates(std::ostream& out, const table& works) {
    const std::vector<verdict> found = verdicts(works);
    if (!found.empty())
        out << "\ngates of miou\n";
    for (const verdict& each : found)
        out << "  " << std::left << std::setw(name_width - 2) << each.name << std::right
            << std::setw(8) << number(each.value) << ' ' << each.unit << ", at most "
            << number(each.at_most) << ": " << (each.holds() ? "holds" : "DOES NOT HOLD") << '\n';
}

void write_growth(std::ostream& out, const table& of) {
    constexpr int width = 10;
    out << '\n';
    write_head(out, of, of.title, width);
    out << ' ' << std::setw(width + 1) << "last/first" << '\n';
    for (const row& each : of.rows) {
        out << std::left << std::setw(name_width) << each.what.name << std::right;
        for (std::size_t i = 0; i < of.columns.size(); ++i)
            out << ' ' << std::setw(width) << median_text(each, i);
        out << ' ' << std::setw(width + 1) << growth_text(each) << '\n';
    }
}

} // namespace

void write_text(std::ostream& out, const report& from) {
    for (const auto& [name, value] : from.about)
        out << name << ": " << value << '\n';
    out << legend << "\n\n";
    if (!from.works.rows.empty())
        write_works(out, from.works);
    write_gates(out, from.works);
    for (const table& each : from.growth)
        write_growth(out, each);
}

} // namespace bench
