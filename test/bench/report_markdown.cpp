#include "report.hpp"

#include <fstream>
#include <ostream>
#include <sstream>

namespace bench {
namespace {

void write_line(std::ostream& out, const std::vector<std::string>& cells) {
    for (const std::string& each : cells)
        out << "| " << each << ' ';
    out << "|\n";
}

/// `last` is the title of one more column.
void write_head(std::ostream& out, const std::string& corner, const std::vector<column>& columns,
                const std::string& last = "") {
    std::vector<std::string> titles = {corner};
    std::vector<std::string> rule = {"---"};
    for (const column& each : columns)
        titles.push_back(each.title);
    if (!last.empty())
        titles.push_back(last);
    rule.resize(titles.size(), "---:");
    write_line(out, titles);
    write_line(out, rule);
}

/// Columns in which this group has nothing are left out.
void write_group(std::ostream& out, const table& works, const std::string& group) {
    std::vector<std::size_t> used;
    std::vector<column> columns;
    for (std::size_t i = 0; i < works.columns.size(); ++i)
        for (const row& each : works.rows)
            if (each.group == group && !each.measured[i].empty()) {
                used.push_back(i);
                columns.push_back(works.columns[i]);
                break;
            }
    write_head(out, works.title, columns);
    for (const row& each : works.rows) {
        if (each.group != group)
            continue;
        std::vector<std::string> cells = {each.what.name + ", " + each.what.unit};
        for (const std::size_t i : used)
            cells.push_back(median_and_spread(each, i));
        write_line(out, cells);
    }
    out << '\n';
}

void write_gates(std::ostream& out, const table& works) {
    const std::vector<verdict> found = verdicts(works);
    if (found.empty())
        return;
    out << "### Gates of miou\n\n";
    write_head(out, "row", {{"", "at most"}, {"", "measured"}, {"", "holds"}});
    for (const verdict& each : found)
        write_line(out, {each.name, number(each.at_most) + " " + each.unit, number(each.value),
                         each.holds() ? "yes" : "**no**"});
    out << '\n';
}

void write_growth(std::ostream& out, const table& of) {
    write_head(out, of.title, of.columns, "last/first");
    for (const row& each : of.rows) {
        std::vector<std::string> cells = {each.what.name};
        for (std::size_t i = 0; i < of.columns.size(); ++i)
            cells.push_back(median_text(each, i));
        cells.push_back(growth_text(each));
        write_line(out, cells);
    }
    out << '\n';
}

std::string text_of(const report& from, const std::filesystem::path& charts) {
    std::ostringstream out;
    for (const auto& [name, value] : from.about)
        out << "- " << name << ": " << value << '\n';
    out << '\n' << legend << "\n\n";
    for (const std::string& group : groups_of(from.works)) {
        out << "### " << group << "\n\n";
        if (!charts.empty())
            out << "![" << group << "](" << (charts / chart_of(group)).generic_string() << ")\n\n";
        write_group(out, from.works, group);
    }
    write_gates(out, from.works);
    if (!from.growth.empty())
        out << "### Growth\n\n";
    for (const table& each : from.growth)
        write_growth(out, each);
    return out.str();
}

} // namespace

void write_markdown(const std::filesystem::path& file, const report& from,
                    const std::filesystem::path& charts) {
    const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
    const std::string text =
        text_of(from, charts.empty() ? charts : std::filesystem::relative(charts, folder));
    std::ostringstream before;
    before << std::ifstream{file}.rdbuf();
    std::string page = before.str();
    const std::string begin_mark = "<!-- figures -->\n";
    const std::size_t begin = page.find(begin_mark);
    const std::size_t end = page.find("<!-- end -->\n", begin);
    if (begin == page.npos || end == page.npos)
        page = text;
    else
        page.replace(begin + begin_mark.size(), end - begin - begin_mark.size(), text);
    write_file(file, page);
}

} // namespace bench
