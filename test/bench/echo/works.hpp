// What is measured of echo servers.
#pragma once

#include "servers.hpp"

#include <string>
#include <vector>

namespace bench::echo {

/// One measured quantity of a work; what it may be at most.
struct figure {
    std::string name;
    double over_raw = 0;  // a gate: times raw epoll
    double over_asio = 0; // a gate: times Asio's callbacks
    double limit = 0;     // a gate: as it is
};

using servers = std::vector<server*>;
/// One number for each figure of a work; more are left out.
using numbers = std::vector<double>;

/// Measures the servers beside each other, as new processes, by `scale` times the usual number of
/// messages; the numbers of each of them.
struct work {
    std::vector<figure> figures;
    std::vector<numbers> (*measure)(const servers& of, double scale);
};

std::vector<work> catalogue();

/// How many rounds of the run queue one client waits for its answers, beside tasks that compute.
std::vector<double> availability(double scale);

} // namespace bench::echo
