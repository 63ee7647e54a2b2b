// The runtimes, and which works they can do.
#pragma once

#include "options.hpp"
#include "process.hpp"
#include "works.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace bench {

using measurement = std::function<figures(const sizes&)>;

/// By the name of the work. A runtime need not have all.
using measurements = std::map<std::string, measurement>;

measurements measurements_of_floor();
measurements measurements_of_miou();
measurements measurements_of_miou_unix();
/// The core again, compiled without traces.
measurements measurements_of_miou_untraced();
measurements measurements_of_boost_fiber();
measurements measurements_of_asio_callbacks();
measurements measurements_of_asio_coroutines();
measurements measurements_of_go();
/// After a comma; empty if this program was built without.
std::string version_of_go();

/// What needs no more than the core of a runtime of fibers.
template <class R>
measurements measurements_of() {
    return {
        {"yield2", [](const sizes& size) { return works::yield<R>(2, size); }},
        {"yield1000", [](const sizes& size) { return works::yield<R>(1000, size); }},
        {"spawn", &works::spawn<R>},
        {"fanout", &works::fan_out<R>},
        {"skynet", &works::skynet<R>},
        {"parked", &works::parked<R>},
        {"pingpong", &works::ping_pong<R>},
        {"queue1", &works::queue_on_one_thread<R>},
        {"call", &works::call<R>},
        {"burst", &works::burst_of_calls<R>},
        {"queue2", &works::queue_between_threads<R>},
        {"pipeline", &works::pipeline<R>},
        {"contended", &works::contended_mutex<R>},
    };
}

struct contestant {
    std::string name;  // for options and gates
    std::string title; // for people
    measurements can_do;
};

/// All that this program was built with, in the order of the columns.
const std::vector<contestant>& contestants();

} // namespace bench
