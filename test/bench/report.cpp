#include "report.hpp"

#include "measure.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace bench {

double row::median_of(std::size_t column) const {
    return median(measured[column]);
}

double row::spread_of(std::size_t column) const {
    return spread(measured[column]);
}

double row::ratio(std::size_t column, std::size_t to) const {
    const std::size_t both = std::min(measured[column].size(), measured[to].size());
    figures ratios;
    for (std::size_t i = 0; i < both; ++i)
        if (measured[to][i] != 0)
            ratios.push_back(measured[column][i] / measured[to][i]);
    return median(std::move(ratios));
}

std::size_t table::column_of(const std::string& name) const {
    const auto found = std::find_if(columns.begin(), columns.end(),
                                    [&](const column& each) { return each.name == name; });
    return static_cast<std::size_t>(found - columns.begin());
}

std::vector<verdict> verdicts(const table& works) {
    std::vector<verdict> found;
    const std::size_t miou = works.column_of("miou");
    if (miou == works.columns.size())
        return found;
    for (const row& each : works.rows)
        for (const gate& limit : each.what.gates) {
            const std::size_t over = works.column_of(limit.over);
            const bool is_ratio = !limit.over.empty();
            if (each.measured[miou].empty() ||
                (is_ratio && (over == works.columns.size() || each.measured[over].empty())))
                continue;
            found.push_back(
                {each.what.name, is_ratio ? "x " + works.columns[over].title : each.what.unit,
                 is_ratio ? each.ratio(miou, over) : each.median_of(miou), limit.at_most});
        }
    return found;
}

std::string number(double value) {
    if (value == 0)
        return "-";
    char text[32];
    std::snprintf(text, sizeof text, "%.*f", value < 10 ? 2 : value < 100 ? 1 : 0, value);
    return text;
}

std::string median_text(const row& of, std::size_t column) {
    return number(of.median_of(column));
}

std::string median_and_spread(const row& of, std::size_t column) {
    const std::size_t repetitions = of.measured[column].size();
    if (repetitions < 2)
        return median_text(of, column) + (repetitions == 1 ? " (once)" : "");
    char text[32];
    std::snprintf(text, sizeof text, " (%.0f%%)", 100 * of.spread_of(column));
    return median_text(of, column) + text;
}

std::string growth_text(const row& of) {
    return number(of.ratio(of.measured.size() - 1, 0)) + "x";
}

std::vector<std::string> groups_of(const table& works) {
    std::vector<std::string> groups;
    for (const row& each : works.rows)
        if (groups.empty() || groups.back() != each.group)
            groups.push_back(each.group);
    return groups;
}

std::string chart_of(const std::string& group) {
    std::string name = group;
    for (char& each : name)
        each =
            each == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(each)));
    return name + ".svg";
}

void write_file(const std::filesystem::path& file, const std::string& text) {
    std::ofstream out{file};
    out << text;
    out.close();
    if (!out)
        throw std::runtime_error{"cannot write " + file.string()};
}

} // namespace bench
