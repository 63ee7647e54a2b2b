// The works by name, and the runtimes that can do them.
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
/// The same, compiled without traces.
measurements measurements_of_miou_untraced();
measurements measurements_of_boost_fiber();

template <class R>
measurements measurements_of() {
    return {
        {"yield2", [](const sizes& size) { return works::yield<R>(2, size); }},
        {"yield1000", [](const sizes& size) { return works::yield<R>(1000, size); }},
        {"spawn", &works::spawn<R>},
        {"fanout", &works::fan_out<R>},
        {"skynet", &works::skynet<R>},
        {"pingpong", &works::ping_pong<R>},
        {"call", &works::call<R>},
        {"parked", &works::parked<R>},
    };
}

struct work {
    std::string name;
    std::vector<std::string> rows; // one for each figure
};

inline const std::vector<work>& catalogue() {
    static const std::vector<work> all = {
        {"yield2", {"yield, 2 fibers [ns]"}},
        {"yield1000", {"yield, 1,000 fibers [ns]"}},
        {"spawn", {"spawn + await [ns]"}},
        {"fanout",
         {"fan-out, a child, cold [ns]", "fan-out, a child, warm [ns]",
          "fan-out, a child, peak RSS [B]"}},
        {"skynet", {"skynet [ms]"}},
        {"pingpong", {"mutex + condition, round trip [ns]"}},
        {"call", {"call to another domain + await [us]"}},
        {"parked",
         {"parked fiber, spawn + park [ns]", "parked fiber, wake + join [ns]",
          "parked fiber, RSS [B]", "parked fiber, page tables [B]"}},
        {"cancel", {"cancel a parked tree, a task [ns]"}},
    };
    return all;
}

} // namespace bench
