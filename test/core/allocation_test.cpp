// In steady state the core asks nothing of the heap.

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

/// Allocations of the second thousand of rounds, in a task.
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

TEST(allocation, the_count_is_not_blind) {
    if (!TEST_SANITIZED) {
        EXPECT_EQ(in_steady_state([] { ::operator delete(::operator new(1)); }), 0u + rounds);
    }
}

TEST(allocation, a_spawn_and_its_await_make_none) {
    EXPECT_EQ(in_steady_state([] { miou::await_exn(miou::async([] { return 1; })); }), 0u);
}

TEST(allocation, nor_do_many_children_at_once) {
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

TEST(allocation, nor_does_a_call_to_another_domain) {
    EXPECT_EQ(in_steady_state([] { miou::await_exn(test::anywhere([] { return 1; })); }), 0u);
}

TEST(allocation, nor_does_a_cancellation_of_a_task_that_never_ran) {
    EXPECT_EQ(in_steady_state([] { miou::cancel(miou::async([] {})); }), 0u);
}

TEST(allocation, nor_do_orphans) {
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

TEST(allocation, nor_do_mutex_and_condition) {
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

TEST(allocation, a_cancelled_child_makes_one_for_its_exception) {
    const std::size_t made = in_steady_state([] {
        auto child = miou::async([] { test::forever(); });
        miou::yield();
        miou::cancel(child);
    });
    EXPECT_LE(made, 0u + rounds);
}

} // namespace
