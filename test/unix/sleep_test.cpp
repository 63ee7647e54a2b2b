// Sleeping: for how long, in which order, and where it is an error.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/at_end.hpp"
#include "miou/hook.hpp"
#include "miou/orphans.hpp"
#include "miou/promise.hpp"
#include "miou/trigger.hpp"
#include "miou_unix/run.hpp"
#include "miou_unix/sleep.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <vector>

namespace {

using test::domains;
using test::failed_with;
using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

using test::infinity;

TEST(sleep, lasts_at_least_as_long_as_requested) {
    miou_unix::run({.domains = domains()}, [] {
        const auto begin = clock::now();
        miou_unix::sleep(0.02);
        EXPECT_GE(clock::now() - begin, 20ms);
    });
}

TEST(sleep, accepts_any_duration) {
    miou_unix::run({.domains = domains()}, [] {
        const auto begin = clock::now();
        miou_unix::sleep(2ms);
        miou_unix::sleep(1000us);
        miou_unix::sleep(1'000'000ns);
        miou_unix::sleep(std::chrono::duration<float>{0.001f});
        miou_unix::sleep(0s);
        miou_unix::sleep(-5h);
        EXPECT_GE(clock::now() - begin, 5ms);
    });
}

TEST(sleep, of_zero_or_less_lets_the_others_run_once) {
    for (const double time : {0.0, -0.0, -1.0, -1e10, -infinity})
        miou_unix::run({.domains = domains()}, [time] {
            bool other_ran = false;
            const auto other = miou::async([&] { other_ran = true; });
            miou_unix::sleep(time);
            EXPECT_TRUE(other_ran);
            miou::await_exn(other);
        });
}

TEST(sleep, of_the_shortest_time_returns) {
    miou_unix::run({.domains = domains()}, [] {
        miou_unix::sleep(1e-9);
        miou_unix::sleep(1e-12);
        miou_unix::sleep(std::numeric_limits<double>::denorm_min());
    });
}

TEST(sleep, of_nan_is_an_error) {
    miou_unix::run({.domains = domains()}, [] {
        EXPECT_THROW(miou_unix::sleep(std::numeric_limits<double>::quiet_NaN()),
                     std::invalid_argument);
    });
}

TEST(sleep, of_ages_or_forever_ends_at_once_when_cancelled) {
    for (const double time : {1e6, 1e10, 1e300, std::numeric_limits<double>::max(), infinity})
        miou_unix::run({.domains = domains()}, [time] {
            const auto sleeper = test::anywhere([time] { miou_unix::sleep(time); });
            miou_unix::sleep(0.001);
            EXPECT_EQ(sleeper.state(), miou::promise_state::running);
            miou::cancel(sleeper);
            EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(sleeper)));
        });
}

TEST(sleep, beyond_the_range_of_a_duration_lasts_forever) {
    miou_unix::run({.domains = domains()}, [] {
        const std::vector sleepers{
            miou::async([] { miou_unix::sleep(std::chrono::nanoseconds::max()); }),
            miou::async([] { miou_unix::sleep(std::chrono::seconds::max()); }),
            miou::async([] { miou_unix::sleep(std::chrono::hours::max()); }),
        };
        miou_unix::sleep(0.001);
        for (const auto& each : sleepers) {
            EXPECT_EQ(each.state(), miou::promise_state::running);
            miou::cancel(each);
        }
    });
}

TEST(sleep, a_short_one_is_not_held_up_by_an_endless_one) {
    miou_unix::run({.domains = domains()}, [] {
        const auto ages = miou::async([] { miou_unix::sleep(1e10); });
        const auto for_ever = miou::async([] { miou_unix::sleep(infinity); });
        const auto hours = miou::async([] { miou_unix::sleep(24h); });
        miou::yield();
        miou_unix::sleep(0.001);
        for (const auto& each : {ages, for_ever, hours})
            miou::cancel(each);
    });
}

/// The order in which six sleepers wake; empty if the first was due before all of them slept.
std::vector<int> order_of_six(clock::duration lead) {
    std::vector<int> woken;
    std::vector<miou::promise<void>> sleepers;
    const auto first_due = clock::now() + lead;
    for (const int i : {4, 0, 5, 2, 1, 3})
        sleepers.push_back(miou::async([&woken, first_due, i] {
            miou_unix::sleep(first_due + i * 1ms - clock::now());
            woken.push_back(i);
        }));
    miou::yield();
    const bool all_asleep = clock::now() < first_due;
    for (const auto& each : miou::await_all(sleepers))
        each.value();
    return all_asleep ? woken : std::vector<int>{};
}

TEST(sleep, the_shorter_one_ends_first) {
    miou_unix::run({.domains = domains()}, [] {
        std::vector<int> woken;
        for (auto lead = 10ms; woken.empty(); lead *= 2)
            woken = order_of_six(lead);
        EXPECT_EQ(woken, (std::vector{0, 1, 2, 3, 4, 5}));
    });
}

TEST(sleep, tasks_that_are_due_wake_although_others_are_cancelled) {
    miou_unix::run({.domains = domains()}, [] {
        std::vector<miou::promise<void>> sleepers;
        for (int i = 0; i < 100; ++i)
            sleepers.push_back(miou::async([i] { miou_unix::sleep(i * 1e-4); }));
        miou_unix::sleep(0.002);
        for (std::size_t i = 0; i < sleepers.size(); i += 2)
            miou::cancel(sleepers[i]);
        for (std::size_t i = 1; i < sleepers.size(); i += 2)
            EXPECT_TRUE(miou::await(sleepers[i]).has_value());
    });
}

TEST(sleep, many_may_be_due_and_cancelled_at_the_same_time) {
    miou_unix::run({.domains = domains()}, [] {
        const auto parent = miou::async([] {
            miou::orphans<void> sleepers;
            for (int i = 0; i < 500; ++i) // more tasks than run between two readings of the clock
                miou::async(sleepers, [] { miou_unix::sleep(1e-3); });
            while (miou::get(sleepers)) {
            }
        });
        miou::yield();
        miou::yield();
        const auto begin = clock::now();
        while (clock::now() - begin < 2ms) { // the clock is not read until all are due
        }
        miou::cancel(parent);
    });
}

TEST(sleep, the_earliest_may_be_cancelled) {
    miou_unix::run({.domains = domains()}, [] {
        const auto earliest = miou::async([] { miou_unix::sleep(0.001); });
        const auto later = miou::async([] { miou_unix::sleep(0.002); });
        miou::yield();
        miou::cancel(earliest);
        EXPECT_TRUE(miou::await(later).has_value());
    });
}

TEST(sleep, ten_thousand_tasks_may_sleep_at_once) {
    const int count = test::scaled(10'000, 500);
    miou_unix::run({.domains = domains()}, [count] {
        const auto begin = clock::now();
        std::atomic<int> woken = 0;
        miou::orphans<void> sleepers;
        for (int i = 0; i < count; ++i) {
            const auto sleeper = [&woken, i] {
                miou_unix::sleep(0.05 + i % 100 * 1e-4);
                ++woken;
            };
            if (i % 2 == 0 && miou::domain::available() != 0)
                miou::call(sleepers, sleeper);
            else
                miou::async(sleepers, sleeper);
        }
        while (const auto each = miou::get(sleepers))
            each->value();
        EXPECT_EQ(woken, count);
        // One after the other, the sleeps would take 500 s.
        EXPECT_LT(clock::now() - begin, 20s);
    });
}

TEST(sleep, ten_thousand_sleepers_end_when_the_run_does) {
    const int count = test::scaled(10'000, 500);
    EXPECT_THROW(miou_unix::run({.domains = domains()},
                                [&] {
                                    miou::orphans<void> sleepers;
                                    for (int i = 0; i < count; ++i)
                                        miou::async(sleepers, [] { miou_unix::sleep(1e10); });
                                    miou::yield();
                                    throw std::runtime_error{"enough"};
                                }),
                 std::runtime_error);
}

TEST(sleep, others_run_meanwhile) {
    miou_unix::run({.domains = domains()}, [] {
        bool asleep = true;
        const auto sleeper = miou::async([&] {
            miou_unix::sleep(0.01);
            asleep = false;
        });
        std::size_t turns = 0;
        while (asleep) {
            ++turns;
            miou::yield();
        }
        EXPECT_GT(turns, 10u);
        miou::await_exn(sleeper);
    });
}

TEST(sleep, is_not_prolonged_by_a_domain_that_is_busy) {
    miou_unix::run({.domains = domains()}, [] {
        const auto busy = miou::async(test::forever);
        for (int i = 0; i < 5; ++i)
            miou_unix::sleep(0.001);
        miou::cancel(busy);
    });
}

TEST(sleep, a_domain_whose_tasks_all_sleep_still_works_with_other_domains) {
    miou_unix::run({.domains = test::at_least(1)}, [] {
        miou::trigger done;
        const auto sleeper = miou::async([] { miou_unix::sleep(infinity); });
        const auto waits = miou::async([&] { EXPECT_EQ(done.await(), nullptr); });
        miou::yield();
        miou::await_exn(miou::call([&] { done.signal(); }));
        miou::await_exn(waits);
        miou::cancel(sleeper);
    });
}

TEST(sleep, in_a_destructor_of_a_cancelled_task_is_not_cut_short) {
    miou_unix::run({.domains = domains()}, [] {
        bool said = false;
        const auto sleeper = miou::async([&] {
            const miou::at_end slow_goodbye{[&] {
                miou_unix::sleep(0.002);
                said = true;
            }};
            miou_unix::sleep(infinity);
        });
        miou::yield();
        miou::cancel(sleeper);
        EXPECT_TRUE(said);
    });
}

TEST(sleep, outside_of_any_run_is_an_error) {
    for (const double time : {0.0, 0.001, infinity})
        EXPECT_THROW(miou_unix::sleep(time), miou::rule_violation);
}

TEST(sleep, in_a_run_without_a_system_is_an_error) {
    for (const double time : {0.0, 0.001, infinity})
        miou::run({.domains = domains()},
                  [time] { EXPECT_THROW(miou_unix::sleep(time), miou::no_select_provided); });
}

TEST(sleep, in_a_run_without_a_system_nested_in_one_with_a_system_is_an_error) {
    miou_unix::run({.domains = 0}, [] {
        miou::run({.domains = 0}, [] {
            const auto sleeper = miou::async([] { miou_unix::sleep(0.001); });
            const test::deadline patience{1s}; // it might never wake
            while (sleeper.state() == miou::promise_state::running && !patience.has_passed())
                miou::yield();
            EXPECT_NE(sleeper.state(), miou::promise_state::running);
            if (sleeper.state() == miou::promise_state::running)
                miou::cancel(sleeper);
            EXPECT_TRUE(failed_with<miou::no_select_provided>(miou::await(sleeper)));
        });
    });
}

/// Sleeps in a hook. Ends the process, with status 0 if that throws.
void sleep_in_a_hook() {
    miou_unix::run({.domains = 0}, [] {
        bool told = false;
        const auto hook = miou::hook::add([&] {
            try {
                miou_unix::sleep(0.001);
            } catch (const miou::outside_of_task&) {
                told = true;
            }
        });
        miou::yield();
        hook.remove();
        std::_Exit(told ? 0 : 1);
    });
}

TEST(sleep, in_a_hook_is_an_error) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            ::alarm(2); // a hook that waited would block its domain forever
            sleep_in_a_hook();
        },
        testing::ExitedWithCode(0), "");
}

} // namespace
