// Bar charts as SVG, which are readable on a light page and on a dark one. Each row has a scale of
// its own.
#include "report.hpp"

#include <algorithm>
#include <sstream>

namespace bench {
namespace {

constexpr int width = 720, label_width = 130, bar_width = 460;
constexpr int line = 18, gap = 12, margin = 8;

constexpr const char* style = R"(<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.name { font-weight: 600; }
.label { text-anchor: end; }
rect { fill: #afb8c1; }
.floor { fill: #d8dee4; }
.miou { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  rect { fill: #57606a; }
  .floor { fill: #32383f; }
  .miou { fill: #4493f8; }
}
</style>
)";

/// Draws the bars of a row below `y`, and returns where they end.
int draw(std::ostream& out, const row& of, const std::vector<column>& columns, int y) {
    double longest = 0;
    for (std::size_t i = 0; i < columns.size(); ++i)
        longest = std::max(longest, of.median_of(i));
    y += line;
    out << "<text class=\"name\" x=\"" << margin << "\" y=\"" << y << "\">" << of.what.name
        << "</text>\n";
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (of.measured[i].empty())
            continue;
        y += line;
        const double value = of.median_of(i);
        const double length = longest > 0 ? std::max(1.0, bar_width * value / longest) : 1;
        out << "<text class=\"label\" x=\"" << label_width << "\" y=\"" << y << "\">"
            << columns[i].title << "</text>\n"
            << "<rect class=\"" << columns[i].name << "\" x=\"" << label_width + 6 << "\" y=\""
            << y - 11 << "\" width=\"" << length << "\" height=\"13\"/>\n"
            << "<text x=\"" << label_width + 12 + length << "\" y=\"" << y << "\">" << number(value)
            << ' ' << of.what.unit << "</text>\n";
    }
    return y + gap;
}

std::string chart(const table& works, const std::string& group) {
    std::ostringstream bars;
    int y = 0;
    for (const row& each : works.rows)
        if (each.group == group)
            y = draw(bars, each, works.columns, y);
    std::ostringstream out;
    out << "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 " << width << ' '
        << y << "\" width=\"" << width << "\" height=\"" << y << "\">\n<title>" << group
        << "</title>\n"
        << style << bars.str() << "</svg>\n";
    return out.str();
}

} // namespace

void write_charts(const std::filesystem::path& folder, const report& from) {
    std::filesystem::create_directories(folder);
    for (const std::string& group : groups_of(from.works))
        write_file(folder / chart_of(group), chart(from.works, group));
}

} // namespace bench
