// What was measured, and its forms: text, JSON, Markdown and charts.
#pragma once

#include "catalogue.hpp"
#include "process.hpp"

#include <cstddef>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

namespace bench {

constexpr const char* legend = "Less is better. In parentheses: half of the range of the middle "
                               "half of the repetitions.";

struct row {
    quantity what;
    std::string group;
    /// The repetitions in each column. Empty if there are none.
    std::vector<figures> measured;

    /// 0 if there are no repetitions.
    double median_of(std::size_t column) const;
    double spread_of(std::size_t column) const;
    /// The median of the ratios within each repetition: they share what else the machine did.
    double ratio(std::size_t column, std::size_t to) const;
};

struct column {
    std::string name;
    std::string title;
};

struct table {
    std::string title;
    std::vector<column> columns;
    std::vector<row> rows;

    /// The number of columns if there is no such name.
    std::size_t column_of(const std::string& name) const;
};

struct report {
    std::vector<std::pair<std::string, std::string>> about; // the machine, the versions, the sizes
    table works;
    std::vector<table> growth;
};

/// What became of a gate.
struct verdict {
    std::string name;
    std::string unit;
    double value;
    double at_most;

    bool holds() const { return value <= at_most; }
};
/// Those of the gates for which everything was measured.
std::vector<verdict> verdicts(const table& works);

/// A number with about three digits, or - for 0.
std::string number(double value);
/// The median of a cell in a growth table, or in one of works with its spread in per cent.
std::string median_text(const row& of, std::size_t column);
std::string median_and_spread(const row& of, std::size_t column);
/// By how much the last column exceeds the first one.
std::string growth_text(const row& of);

void write_text(std::ostream& out, const report& from);
void write_json(std::ostream& out, const report& from);
/// With the charts of that folder, unless it is empty. Replaces what is between the lines
/// <!-- figures --> and <!-- end -->, if the file has them, and else the file.
void write_markdown(const std::filesystem::path& file, const report& from,
                    const std::filesystem::path& charts);
/// A file for each group of rows.
void write_charts(const std::filesystem::path& folder, const report& from);

/// The groups in the order of the rows.
std::vector<std::string> groups_of(const table& works);
/// The name of a group's chart.
std::string chart_of(const std::string& group);

/// Throws if the file cannot be written.
void write_file(const std::filesystem::path& file, const std::string& text);

} // namespace bench
