// The echo benchmark: see --help. Only ratios within one run mean anything.
#include "../measure.hpp"
#include "works.hpp"

#include <getopt.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace bench;
using namespace bench::echo;

constexpr const char* usage =
    R"(Usage: echo_bench [--repetitions=N] [--percent=N] [--work=TEXT] [--server=TEXT]
An echo server of one thread on miou, on raw epoll and on Asio's callbacks, each a process on one
processor; their clients, a closed loop that verifies every byte, on another one. They take turns.
Medians; those of ratios are of the ratios within each repetition.

  --repetitions=N   of each measurement, with new processes (5)
  --percent=N       of the usual number of messages (100)
  --work=TEXT       only those with this in their name
  --server=TEXT     likewise
)";

struct contestant {
    const char* name;
    server* serve;
};
constexpr contestant contestants[] = {
    {"raw epoll", &serve_raw_epoll},
    {"Asio callbacks", &serve_asio_callbacks},
    {"miou", &serve_miou},
};
constexpr std::size_t of_raw = 0, of_asio = 1, of_miou = 2;

using repetitions = std::vector<double>;

/// The median of the ratios within each repetition.
double ratio(const repetitions& measured, const repetitions& base) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < std::min(measured.size(), base.size()); ++i)
        ratios.push_back(measured[i] / base[i]);
    return median(std::move(ratios));
}

/// "-" if it was not measured.
std::string text_of(double value, const char* unit = "") {
    if (value == 0)
        return "-";
    char text[32];
    std::snprintf(text, sizeof text, "%.2f%s", value, unit);
    return text;
}

std::string verdict(const char* over, double value, double limit) {
    if (limit == 0 || value == 0)
        return "";
    char text[64];
    std::snprintf(text, sizeof text, " %s<=%.1f%s", over, limit,
                  value <= limit ? "" : " DOES NOT HOLD");
    return text;
}

void print_row(const figure& of, const std::vector<repetitions>& measured) {
    double medians[std::size(contestants)];
    for (std::size_t i = 0; i < std::size(contestants); ++i)
        medians[i] = median(measured[i]);
    const double over_raw = ratio(measured[of_miou], measured[of_raw]);
    const double over_asio = ratio(measured[of_miou], measured[of_asio]);
    std::printf("%-40s %10s %10s %10s %10s %10s  %s%s%s\n", of.name.c_str(),
                text_of(medians[of_raw]).c_str(), text_of(medians[of_asio]).c_str(),
                text_of(medians[of_miou]).c_str(), text_of(over_raw, "x").c_str(),
                text_of(over_asio, "x").c_str(), verdict("raw", over_raw, of.over_raw).c_str(),
                verdict("Asio", over_asio, of.over_asio).c_str(),
                verdict("", medians[of_miou], of.limit).c_str());
}

struct choice {
    std::size_t repetitions = 5;
    double scale = 1;
    std::string work;   // a part of its first figure's name
    std::string server; // a part of its name
};

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

void run_work(const work& one, const choice& chosen) {
    servers of;
    std::vector<std::size_t> column; // of each
    for (std::size_t i = 0; i < std::size(contestants); ++i)
        if (has(contestants[i].name, chosen.server)) {
            of.push_back(contestants[i].serve);
            column.push_back(i);
        }
    std::vector<std::vector<repetitions>> measured(
        one.figures.size(), std::vector<repetitions>(std::size(contestants)));
    for (std::size_t repetition = 0; repetition < chosen.repetitions; ++repetition) {
        const std::vector<numbers> found = one.measure(of, chosen.scale);
        for (std::size_t i = 0; i < found.size(); ++i)
            for (std::size_t k = 0; k < one.figures.size(); ++k)
                measured[k][column[i]].push_back(found[i][k]);
    }
    for (std::size_t k = 0; k < one.figures.size(); ++k)
        print_row(one.figures[k], measured[k]);
    std::fflush(stdout);
}

void run_availability(double scale) {
    const std::vector<double> rounds = availability(scale);
    const double worst = *std::max_element(rounds.begin(), rounds.end());
    std::printf(
        "\nbeside %d tasks that compute for %.0f us between yields, rounds of the run queue "
        "until the answer:\n  median %.2f, worst of %zu: %.2f, at most 2: %s\n",
        computing_tasks, computing_us, median(rounds), rounds.size(), worst,
        worst <= 2 ? "holds" : "DOES NOT HOLD");
}

void raise_descriptor_limit() {
    ::rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace

int main(int argc, char** argv) try {
    choice chosen;
    const option options[] = {{"repetitions", required_argument, nullptr, 'r'},
                              {"percent", required_argument, nullptr, 'p'},
                              {"work", required_argument, nullptr, 'w'},
                              {"server", required_argument, nullptr, 's'},
                              {"help", no_argument, nullptr, 'h'},
                              {}};
    for (int found; (found = ::getopt_long(argc, argv, "", options, nullptr)) != -1;)
        switch (found) {
        case 'r':
            chosen.repetitions = std::max(1ul, std::stoul(optarg));
            break;
        case 'p':
            chosen.scale = std::stod(optarg) / 100;
            break;
        case 'w':
            chosen.work = optarg;
            break;
        case 's':
            chosen.server = optarg;
            break;
        default:
            std::fputs(usage, found == 'h' ? stdout : stderr);
            return found == 'h' ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    raise_descriptor_limit();
    std::printf("%-40s %10s %10s %10s %10s %10s\n", "medians", "raw epoll", "Asio", "miou",
                "miou/raw", "miou/Asio");
    for (const work& each : catalogue())
        if (has(each.figures.front().name, chosen.work))
            run_work(each, chosen);
    if (has("availability", chosen.work))
        run_availability(chosen.scale);
} catch (const std::exception& error) {
    std::fprintf(stderr, "echo_bench: %s\n", error.what());
    return EXIT_FAILURE;
}
