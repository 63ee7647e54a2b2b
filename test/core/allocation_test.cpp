// In steady state the core allocates nothing.

#include "support/allocations.hpp"
#include "support/domains.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"

#include <gtest/gtest.h>

#include <mutex>
#include <stdexcept>
#include <vector>

namespace {

using test::allocations_of;
using test::domains;

constexpr int rounds = 1000;

/// How many allocations `rounds` calls of `round` make, in a task, after as many calls to warm up.
template <class F>
std::size_t in_steady_state(F round) {
    return miou::run({.domains = domains()}, [&] {
        const auto loop = [&] {
            for (int i = 0; i < rounds; ++i)
                round();
        };
        loop();
        return allocations_of(loop);
    });
}

TEST(allocation, an_allocation_is_counted) {
    if (!TEST_SANITIZED) {
        EXPECT_EQ(in_steady_state([] { ::operator delete(::operator new(1)); }), 0u + rounds);
    }
}

TEST(allocation, a_spawn_and_its_await_allocate_nothing) {
    EXPECT_EQ(in_steady_state([] { miou::await_exn(miou::async([] { return 1; })); }), 0u);
}

TEST(allocation, many_children_at_once_allocate_nothing) {
    std::vector<miou::promise<void>> children;
    EXPECT_EQ(in_steady_state([&] {
                  for (int i = 0; i < 20; ++i)
                      children.push_back(miou::async([] { miou::yield(); }));
                  for (const auto& each : children)
                      miou::await_exn(each);
                  children.clear();
              }),
              0u);
}

TEST(allocation, a_call_to_another_domain_allocates_nothing) {
    EXPECT_EQ(in_steady_state([] { miou::await_exn(test::anywhere([] { return 1; })); }), 0u);
}

TEST(allocation, cancelling_a_task_that_never_ran_allocates_nothing) {
    EXPECT_EQ(in_steady_state([] { miou::cancel(miou::async([] {})); }), 0u);
}

TEST(allocation, orphans_allocate_nothing) {
    EXPECT_EQ(miou::run({.domains = domains()},
                        [] {
                            miou::orphans<void> crowd;
                            const auto loop = [&] {
                                for (int i = 0; i < rounds; ++i) {
                                    miou::async(crowd, [] {});
                                    while (!miou::get(crowd))
                                        miou::yield();
                                }
                            };
                            loop();
                            return allocations_of(loop);
                        }),
              0u);
}

TEST(allocation, mutexes_and_conditions_allocate_nothing) {
    miou::mutex guard;
    miou::condition changed;
    int turn = 0;
    const auto play = [&](int mine) {
        for (int i = 0; i < rounds; ++i) {
            std::unique_lock lock{guard};
            changed.wait(lock, [&] { return turn == mine; });
            turn = 1 - mine;
            changed.signal();
        }
    };
    const auto match = [&] {
        const auto other = miou::async([&] { play(1); });
        play(0);
        miou::await_exn(other);
    };
    EXPECT_EQ(miou::run({.domains = domains()},
                        [&] {
                            match();
                            return allocations_of(match);
                        }),
              0u);
}

TEST(allocation, a_cancelled_child_allocates_only_its_exception) {
    const std::size_t made = in_steady_state([] {
        auto child = miou::async([] { test::forever(); });
        miou::yield();
        miou::cancel(child);
    });
    EXPECT_LE(made, 0u + rounds);
}

} // namespace
