// The options of the command line.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

struct sizes {
    std::size_t laps =
        1'000'000; // of each loop: of yields, spawns, round trips; fifty times that of calls
    std::size_t fan_out = 100'000;
    std::size_t skynet = 1'000'000;
    std::size_t parked = 100'000;
    std::size_t tree = 100'000;
};

struct options {
    sizes size;
    std::size_t repetitions = 5;
    std::size_t growth_to = 100'000; // 0: no growth table
    double patience = 10; // a work that has taken more seconds on a runtime is not repeated there
    bool fork = true;
    std::vector<std::string> works;    // empty: all
    std::vector<std::string> runtimes; // empty: all
};

/// Whether `name` is among `chosen`, or nothing was chosen.
bool is_chosen(const std::vector<std::string>& chosen, const std::string& name);

/// Ends the program for `--help`, and for arguments that it does not understand.
options parse(int argc, char** argv);

} // namespace bench
