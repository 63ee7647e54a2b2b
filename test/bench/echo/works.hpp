// The works of the echo benchmark.
#pragma once

#include "servers.hpp"

#include <string>
#include <vector>

namespace bench::echo {

/// One measured quantity of a work, with its gates: the largest values that it may have.
struct figure {
    std::string name;
    double over_raw = 0;  // a gate: so many times raw epoll
    double over_asio = 0; // a gate: so many times Asio's callbacks
    double limit = 0;     // a gate: the quantity itself
};

using servers = std::vector<server*>;
/// One number for each figure of a work. Further numbers are ignored.
using numbers = std::vector<double>;

/// `measure` runs the servers side by side, as new processes, with `scale` times the usual number
/// of messages. Returns the numbers of each server.
struct work {
    std::vector<figure> figures;
    std::vector<numbers> (*measure)(const servers& of, double scale);
};

std::vector<work> catalogue();

/// How many rounds of the run queue a client waits for each answer while other tasks compute.
std::vector<double> availability(double scale);

} // namespace bench::echo
