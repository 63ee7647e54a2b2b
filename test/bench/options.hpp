// The options of the command line.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace bench {

struct sizes {
    std::size_t laps = 1'000'000; // of the loops, or a fixed part of it
    std::size_t fan_out = 100'000;
    std::size_t skynet = 1'000'000;
    std::size_t parked = 100'000;
    std::size_t tree = 100'000;
    std::size_t timers = 100'000;
};

/// Their names, as options of the command line have them.
inline const std::vector<std::pair<const char*, std::size_t sizes::*>>& size_names() {
    static const std::vector<std::pair<const char*, std::size_t sizes::*>> all = {
        {"laps", &sizes::laps},     {"fan-out", &sizes::fan_out}, {"skynet", &sizes::skynet},
        {"parked", &sizes::parked}, {"tree", &sizes::tree},       {"timers", &sizes::timers},
    };
    return all;
}

struct options {
    sizes size;
    std::size_t repetitions = 5;
    std::size_t growth_to = 100'000; // tasks; 0: no table
    std::size_t growth_domains = 16; // 0: no table
    std::size_t patience = 10; // a work that has taken more seconds on a runtime is not repeated
    bool fork = true;
    std::vector<std::string> works;    // empty: all
    std::vector<std::string> runtimes; // empty: all
    // Files and a folder to write; empty: none.
    std::string json, markdown, charts;
};

/// Whether `name` is among `chosen`, or nothing was chosen.
bool is_chosen(const std::vector<std::string>& chosen, const std::string& name);

/// Ends the program for `--help`, and for arguments that it does not understand.
options parse(int argc, char** argv);

} // namespace bench
