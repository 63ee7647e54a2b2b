#include "report.hpp"

#include "measure.hpp"

#include <cstdio>

namespace bench {
namespace {

constexpr const char* columns = "%-36s %11s %11s %11s %11s %12s %11s %11s %s\n";

std::string number(double value, const char* suffix = "") {
    if (value == 0)
        return "-";
    char text[32];
    std::snprintf(text, sizeof text, "%.*f%s", value < 100 ? 2 : 0, value, suffix);
    return text;
}

void print_gate(const char* name, double value, double limit, const char* unit) {
    if (value != 0)
        std::printf("%-36s %8.2f%s, at most %.2f: %s\n", name, value, unit, limit,
                    value <= limit ? "holds" : "DOES NOT HOLD");
}

} // namespace

double row::median_of(std::size_t runtime) const {
    return median(measured[runtime]);
}

double row::ratio(std::size_t runtime, std::size_t to) const {
    const double base = median_of(to);
    return base == 0 ? 0 : median_of(runtime) / base;
}

void print_table(const std::vector<row>& rows) {
    if (rows.empty())
        return;
    std::printf(columns, "medians", "floor", "miou", "Boost.Fiber", "no traces", "miou/floor",
                "miou/Boost", "/no traces", " repetitions");
    for (const row& each : rows) {
        std::string repetitions;
        for (const figures& one : each.measured)
            repetitions += ' ' + std::to_string(one.size());
        std::printf(columns, each.name.c_str(), number(each.median_of(of_floor)).c_str(),
                    number(each.median_of(of_miou)).c_str(),
                    number(each.median_of(of_boost)).c_str(),
                    number(each.median_of(of_untraced)).c_str(),
                    number(each.ratio(of_miou, of_floor), "x").c_str(),
                    number(each.ratio(of_miou, of_boost), "x").c_str(),
                    number(each.ratio(of_miou, of_untraced), "x").c_str(), repetitions.c_str());
    }
}

void print_gates(const std::vector<row>& rows) {
    std::printf("\ngates\n");
    for (const row& each : rows) {
        if (each.name.starts_with("yield"))
            print_gate(each.name.c_str(), each.ratio(of_miou, of_floor), 2, " x floor");
        if (each.name.starts_with("spawn"))
            print_gate(each.name.c_str(), each.ratio(of_miou, of_boost), 0.25, " x Boost.Fiber");
        if (each.name.starts_with("parked fiber, RSS"))
            print_gate(each.name.c_str(), each.median_of(of_miou) / 1024, 5, " KiB");
    }
}

void print_growth(const std::vector<std::size_t>& tasks, const std::vector<row>& rows) {
    std::printf("\n%-36s", "growth of miou: ns a task of");
    for (const std::size_t each : tasks)
        std::printf(" %10zu", each);
    std::printf(" %10s\n", "last/first");
    for (const row& each : rows) {
        std::printf("%-36s", each.name.c_str());
        for (std::size_t i = 0; i < tasks.size(); ++i)
            std::printf(" %10s", number(each.median_of(i)).c_str());
        std::printf(" %10s\n", number(each.ratio(tasks.size() - 1, 0), "x").c_str());
    }
}

} // namespace bench
