// The counters of a server, in memory that it shares with the measuring process.
#pragma once

#include <atomic>
#include <cstdint>

namespace bench::echo {

struct counters {
    /// Those with which the servers receive, send, wait, and arm what they wait for; see
    /// system_calls.cpp. A tracer would see every call, but would change their number: it makes a
    /// server so slow that its clients have always answered before it looks.
    std::atomic<std::uint64_t> system_calls = 0;
    /// Those of the tasks that compute.
    std::atomic<std::uint64_t> yields = 0;
};

/// The counters of this process, or null: then it counts nothing.
inline counters* counted = nullptr;

/// Only one thread counts, so this needs no atomic addition.
inline void count(std::atomic<std::uint64_t> counters::*what) noexcept {
    if (counted != nullptr)
        (counted->*what)
            .store((counted->*what).load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

} // namespace bench::echo
