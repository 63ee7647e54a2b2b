// What is measured, in the order of the tables.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

/// What the figure of miou must not exceed in the same run.
struct gate {
    std::string over; // a runtime, whose figure is the unit; empty: the unit of the quantity
    double at_most;
};

/// What a figure is of: a row of the table.
struct quantity {
    std::string name;
    std::string unit;
    std::vector<gate> gates = {};
};

struct work {
    std::string name;
    std::string group;
    std::size_t threads;
    std::vector<quantity> quantities; // one for each figure
};

inline const std::vector<work>& catalogue() {
    const std::string switching = "Switching and spawning", many = "Many tasks",
                      one = "Synchronisation on one thread", threads = "Between threads",
                      ends = "Timers and cancellation";
    static const std::vector<work> all = {
        {"yield2", switching, 1, {{"yield, 2 fibers", "ns", {{"floor", 1.6}}}}},
        {"yield1000", switching, 1, {{"yield, 1,000 fibers", "ns", {{"floor", 1.6}}}}},
        {"spawn", switching, 1, {{"spawn + await", "ns", {{"floor", 4.5}, {"boost", 0.25}}}}},
        {"fanout",
         many,
         1,
         {{"fan-out, a child, cold", "ns"},
          {"fan-out, a child, warm", "ns"},
          {"fan-out, a child, peak RSS", "B"}}},
        {"skynet", many, 1, {{"skynet", "ms"}}},
        {"parked",
         many,
         1,
         {{"parked fiber, spawn + park", "ns"},
          {"parked fiber, wake + join", "ns"},
          {"parked fiber, RSS", "B", {{"", 4.5 * 1024}}},
          {"parked fiber, page tables", "B"}}},
        {"pingpong", one, 1, {{"mutex + condition, round trip", "ns"}}},
        {"queue1", one, 1, {{"bounded queue, an item", "ns", {{"go", 0.5}}}}},
        {"call", threads, 2, {{"call to another domain + await", "us"}}},
        {"burst", threads, 2, {{"1,000 calls + awaits, a call", "ns"}}},
        {"queue2",
         threads,
         2,
         {{"bounded queue, an item", "ns", {{"boost", 0.8}}},
          {"bounded queue, an item, processors", "ns"}}},
        {"pipeline",
         threads,
         3,
         {{"pipeline of 3 domains, an item", "ns"},
          {"pipeline of 3 domains, an item, processors", "ns"}}},
        {"contended", threads, 2, {{"mutex that two domains want, a lock", "ns"}}},
        {"timers",
         ends,
         1,
         {{"timers, processor time", "ms", {{"go", 0.4}}},
          {"timers, worst lateness", "ms", {{"", 30}}}}},
        {"cancel", ends, 1, {{"cancel a parked tree, a task", "ns", {{"go", 1}}}}},
    };
    return all;
}

} // namespace bench
