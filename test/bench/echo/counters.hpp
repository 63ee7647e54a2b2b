// What a server counts of itself, in memory that it shares with who measures it.
#pragma once

#include <atomic>
#include <cstdint>

namespace bench::echo {

struct counters {
    /// All by which the servers receive and send, wait, and arm what they wait for; see
    /// system_calls.cpp. A tracer would see every one, but under it a server is so slow that its
    /// clients have always answered before it looks: it makes fewer.
    std::atomic<std::uint64_t> system_calls = 0;
    /// Of the tasks that compute.
    std::atomic<std::uint64_t> yields = 0;
};

/// Of this process; null: it counts nothing.
inline counters* counted = nullptr;

/// By one thread: no atomic addition.
inline void count(std::atomic<std::uint64_t> counters::*what) noexcept {
    if (counted != nullptr)
        (counted->*what)
            .store((counted->*what).load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

} // namespace bench::echo
