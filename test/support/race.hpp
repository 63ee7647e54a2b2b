// Threads that act at the same moment, again and again.
#pragma once

#include <barrier>
#include <functional>
#include <thread>
#include <vector>

namespace test {

/// Calls `before`, then all of `parts` at once, each on a thread of its own, then `after`. Does so
/// `rounds` times.
inline void race(int rounds, const std::function<void()>& before,
                 const std::vector<std::function<void()>>& parts,
                 const std::function<void()>& after) {
    std::barrier<> meet{static_cast<std::ptrdiff_t>(parts.size() + 1)};
    std::vector<std::jthread> threads;
    for (const auto& part : parts)
        threads.emplace_back([&] {
            for (int round = 0; round < rounds; ++round) {
                meet.arrive_and_wait();
                part();
                meet.arrive_and_wait();
            }
        });
    for (int round = 0; round < rounds; ++round) {
        before();
        meet.arrive_and_wait();
        meet.arrive_and_wait();
        after();
    }
}

} // namespace test
