// Suspensions in a system. The system of most tests is a virtual clock.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"
#include "support/ticks.hpp"

#include "miou/promise.hpp"
#include "miou/run.hpp"
#include "miou/syscall.hpp"
#include "miou/trigger.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using test::at_least;
using test::contains;
using test::domains;
using test::failed_with;
using test::message_of;

/// Events that resume on dom0 what `resumed()` returns.
template <class F>
auto system_of_dom0(F resumed) {
    return [resumed](miou::domain_uid uid) {
        miou::events made;
        if (uid.to_int() == 0)
            made.select = [resumed](bool, auto) { return resumed(); };
        return made;
    };
}

TEST(syscall, the_sleeping_children_of_a_failing_task_are_cancelled) { // Miou test22
    for (const bool fails : {false, true}) {
        test::ticks system;
        system.run(domains(), [&] {
            const auto outcome = miou::await(miou::async([&] {
                const auto child = miou::async([&] { system.sleep(1); });
                miou::yield();
                if (fails)
                    throw std::runtime_error{"basic failure"};
                miou::await_exn(child);
            }));
            EXPECT_EQ(outcome.has_error(), fails);
        });
        EXPECT_EQ(system.now(), fails ? 0 : 1);
    }
}

TEST(syscall, a_sleeping_task_of_a_sleeping_domain_is_cancelled) { // Miou test23
    test::ticks system;
    system.run(1, [&] {
        const auto a = miou::call([&] { system.sleep(10); });
        system.sleep(1);
        miou::cancel(a);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(a)));
    });
    EXPECT_EQ(system.now(), 1);
}

TEST(syscall, parallel_tasks_sleep_at_the_same_time) { // Miou test24
    test::ticks system;
    system.run(at_least(1), [&] {
        for (const auto& each : miou::parallel([&](int n) { system.sleep(n); }, {2, 2}))
            EXPECT_TRUE(each.has_value());
    });
    EXPECT_EQ(system.now(), 2);
}

TEST(syscall, a_forgotten_child_is_cancelled_in_its_sleep) { // Miou test25
    test::ticks system;
    EXPECT_THROW(
        system.run(at_least(1), [&] { const auto p = miou::call([&] { system.sleep(10); }); }),
        miou::still_has_children);
    EXPECT_EQ(system.now(), 0);
}

TEST(syscall, tasks_of_a_domain_sleep_at_the_same_time) { // Miou test26
    test::ticks system;
    system.run(domains(), [&] {
        const auto a = miou::async([&] { system.sleep(5); });
        const auto b = miou::async([&] { system.sleep(5); });
        for (const auto& each : miou::await_all({a, b}))
            EXPECT_TRUE(each.has_value());
    });
    EXPECT_EQ(system.now(), 5);
}

TEST(syscall, the_longest_sleep_counts) { // Miou test27
    test::ticks system;
    system.run(at_least(1), [&] {
        static_cast<void>(miou::parallel([&](int n) { system.sleep(n); }, {2, 4}));
    });
    EXPECT_EQ(system.now(), 4);
}

TEST(syscall, new_tasks_do_not_keep_a_task_waiting_that_the_system_has_resumed) {
    std::optional<miou::syscall> waiting;
    const auto system = system_of_dom0([&] {
        std::vector<miou::signal> signals;
        if (waiting)
            signals.emplace_back(*waiting);
        waiting.reset();
        return signals;
    });
    miou::run({.poll = 1, .domains = domains(), .events = system}, [&] {
        constexpr int flood = 1000;
        int started = 0;
        int started_before = 0;
        const auto resumed = miou::async([&] {
            const miou::syscall mine;
            waiting = mine;
            miou::suspend(mine);
            started_before = started;
        });
        std::vector<miou::promise<void>> others;
        for (int i = 0; i < flood; ++i)
            others.push_back(miou::async([&] { ++started; }));
        miou::await_exn(resumed);
        EXPECT_LT(started_before, flood / 10);
        miou::await_all(others);
        EXPECT_EQ(started, flood);
    });
}

TEST(syscall, tasks_that_the_system_resumes_again_and_again_let_others_run) {
    std::vector<miou::syscall> waiting;
    const auto system = system_of_dom0([&] {
        std::vector<miou::signal> signals;
        for (const miou::syscall& each : waiting)
            signals.emplace_back(each);
        waiting.clear();
        return signals;
    });
    miou::run({.poll = 1, .domains = domains(), .events = system}, [&] {
        bool done = false;
        const auto suspend_again_and_again = [&] {
            while (!done) {
                const miou::syscall mine;
                waiting.push_back(mine);
                miou::suspend(mine);
            }
        };
        const auto one = miou::async(suspend_again_and_again);
        const auto other = miou::async(suspend_again_and_again);
        for (int i = 0; i < 100; ++i)
            miou::yield();
        done = true;
        miou::await_exn(one);
        miou::await_exn(other);
    });
}

TEST(syscall, select_resumes_a_task) { // Miou test28
    std::optional<miou::syscall> waiting;
    const auto system = system_of_dom0([&] {
        std::vector<miou::signal> signals;
        if (waiting)
            signals.emplace_back(*waiting);
        return signals;
    });
    miou::run({.domains = domains(), .events = system}, [&] {
        const miou::syscall p;
        waiting = p;
        miou::suspend(p);
        waiting.reset();
    });
}

TEST(syscall, a_timeout_is_the_loser_of_await_first) { // Miou test29
    struct timeout {};
    test::ticks system;
    system.run(domains(), [&] {
        const auto p0 = miou::async([] {});
        const auto p1 = miou::async([&] {
            system.sleep(10);
            throw timeout{};
        });
        EXPECT_TRUE(miou::await_first({p0, p1}).has_value());
    });
    EXPECT_EQ(system.now(), 0);
}

TEST(syscall, a_timeout_may_win_over_domains) {
    struct timeout {};
    test::ticks system;
    system.run(at_least(1), [&] {
        const auto slow = miou::call([&] { system.sleep(1000); });
        const auto p = miou::call([&] {
            system.sleep(3);
            throw timeout{};
        });
        EXPECT_TRUE(failed_with<timeout>(miou::await_first({slow, p})));
    });
    EXPECT_EQ(system.now(), 3);
}

TEST(syscall, sleepers_wake_in_the_order_of_their_deadlines) {
    test::ticks system;
    std::vector<int> order;
    system.run(domains(), [&] {
        std::vector<miou::promise<void>> children;
        for (int duration : {5, 1, 4, 2, 3})
            children.push_back(miou::async([&, duration] {
                system.sleep(duration);
                order.push_back(duration);
            }));
        miou::await_all(children);
    });
    EXPECT_EQ(order, (std::vector{1, 2, 3, 4, 5}));
}

TEST(syscall, select_is_told_of_a_cancelled_suspension) {
    test::ticks system;
    system.run(domains(), [&] {
        const auto p = miou::async([&] { system.sleep(10); });
        miou::yield();
        EXPECT_EQ(system.sleepers(), 1u);
        miou::cancel(p);
        system.sleep(1); // polls the system
        EXPECT_EQ(system.sleepers(), 0u);
    });
}

TEST(syscall, a_signal_before_the_suspension_is_not_lost) {
    std::optional<miou::syscall> waiting;
    std::atomic<int> looks = 0;
    const auto system = system_of_dom0([&] {
        std::vector<miou::signal> signals;
        if (waiting)
            signals.emplace_back(*std::exchange(waiting, std::nullopt));
        ++looks;
        return signals;
    });
    miou::run({.domains = domains(), .events = system}, [&] {
        const miou::syscall p;
        waiting = p;
        const int before = looks;
        test::yield_until([&] { return looks > before; });
        bool told = false;
        miou::suspend(p, [&] { told = true; });
        EXPECT_TRUE(told);
        miou::suspend(p); // ends only by cancellation
    });
}

TEST(syscall, suspending_without_a_system_is_an_error) {
    const std::string message = message_of<miou::no_select_provided>([] {
        miou::run({.domains = domains()}, [] {
            const miou::syscall p;
            miou::suspend(p);
        });
    });
    EXPECT_TRUE(contains(message, ".events")) << message;
}

TEST(syscall, a_point_of_another_task_or_domain_is_refused) {
    test::ticks system;
    system.run(at_least(1), [] {
        const miou::syscall p;
        EXPECT_EQ(message_of<std::invalid_argument>(
                      [&] { miou::await_exn(miou::async([&] { miou::suspend(p); })); }),
                  "This syscall does not belong to the current promise");
        EXPECT_EQ(message_of<std::invalid_argument>(
                      [&] { miou::await_exn(miou::call([&] { miou::suspend(p); })); }),
                  "This syscall does not belong to the current domain");
        miou::await_exn(miou::call([&] { EXPECT_THROW(miou::signal{p}, std::invalid_argument); }));
        std::thread{[&] { EXPECT_THROW(miou::signal{p}, std::invalid_argument); }}.join();
    });
}

TEST(syscall, it_needs_a_task) {
    EXPECT_THROW(miou::syscall{"outside"}, miou::outside_of_task);
    std::optional<miou::syscall> kept;
    miou::run({.domains = domains()}, [&] { kept.emplace(); });
    EXPECT_THROW(miou::suspend(*kept), miou::outside_of_task);
}

TEST(syscall, uids_are_unique_and_print) {
    miou::run({.domains = domains()}, [] {
        std::set<miou::syscall_uid> seen;
        for (int i = 0; i < 20; ++i)
            seen.insert(miou::syscall{}.uid());
        EXPECT_EQ(seen.size(), 20u);
        const miou::syscall p;
        EXPECT_EQ((std::ostringstream{} << p.uid()).str(), std::to_string(p.uid().to_int()));
    });
}

TEST(suspend, an_exception_of_its_function_passes_through_and_the_suspension_is_forgotten) {
    std::vector<miou::syscall_uid> forgotten;
    const auto system = [&](miou::domain_uid uid) {
        miou::events made;
        made.select = [&, is_dom0 = uid.to_int() == 0](bool, auto cancelled) {
            if (is_dom0)
                forgotten.insert(forgotten.end(), cancelled.begin(), cancelled.end());
            return std::vector<miou::signal>{};
        };
        return made;
    };
    miou::run({.domains = domains(), .events = system}, [&] {
        const miou::syscall p;
        EXPECT_THROW(miou::suspend(p, [] { throw std::runtime_error{"x"}; }), std::runtime_error);
        test::yield_until([&] { return !forgotten.empty(); });
        EXPECT_EQ(forgotten, std::vector{p.uid()});
    });
}

TEST(suspend, a_cancelled_task_does_not_tell_the_system) {
    test::ticks system;
    system.run(domains(), [] {
        bool told = false;
        const auto p = miou::async([&] {
            try {
                test::forever();
            } catch (const miou::cancelled&) {
            }
            const miou::syscall point;
            miou::suspend(point, [&] { told = true; });
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_FALSE(told);
    });
}

TEST(suspend, may_be_interrupted_again_and_again_in_an_uncancellable_section) {
    test::ticks system;
    system.run(domains(), [&] {
        bool slept = false;
        const auto p = miou::async([&] {
            miou::uncancellable([&] { system.sleep(2); });
            slept = true;
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_TRUE(slept);
    });
    EXPECT_EQ(system.now(), 2);
}

TEST(events, one_system_is_made_and_finished_on_the_thread_of_each_domain) {
    std::mutex guard;
    std::map<int, std::thread::id> made;
    std::map<int, std::thread::id> finished;
    miou::run({.domains = domains(),
               .events =
                   [&](miou::domain_uid uid) {
                       const std::scoped_lock lock{guard};
                       made[uid.to_int()] = std::this_thread::get_id();
                       miou::events system;
                       system.finaliser = [&, uid] {
                           const std::scoped_lock finishing{guard};
                           finished[uid.to_int()] = std::this_thread::get_id();
                       };
                       return system;
                   }},
              [] {});
    EXPECT_EQ(made.size(), static_cast<std::size_t>(domains()) + 1);
    EXPECT_EQ(made[0], std::this_thread::get_id());
    EXPECT_EQ(made, finished);
}

TEST(events, a_factory_that_throws_ends_the_run) {
    for (int failing = 0; failing <= domains(); ++failing) {
        bool ran = false;
        EXPECT_THROW(miou::run({.domains = domains(),
                                .events =
                                    [failing](miou::domain_uid uid) {
                                        if (uid.to_int() == failing)
                                            throw std::runtime_error{"factory"};
                                        return miou::events{};
                                    }},
                               [&] { ran = true; }),
                     std::runtime_error);
        EXPECT_FALSE(ran);
    }
}

TEST(events, a_select_that_throws_ends_the_run_and_everything_unwinds) {
    for (int failing = 0; failing <= domains(); ++failing) {
        std::atomic<int> unwound = 0;
        const auto system = [failing](miou::domain_uid uid) {
            miou::events made;
            made.select = [fails = uid.to_int() == failing](bool,
                                                            auto) -> std::vector<miou::signal> {
                if (fails)
                    throw std::runtime_error{"select"};
                return {};
            };
            return made;
        };
        EXPECT_THROW(miou::run({.domains = domains(), .events = system},
                               [&] {
                                   const auto p = test::anywhere([&] {
                                       try {
                                           test::forever();
                                       } catch (const miou::cancelled&) {
                                           ++unwound;
                                           throw;
                                       }
                                   });
                                   test::forever();
                               }),
                     std::runtime_error);
        EXPECT_LE(unwound, 1);
    }
}

TEST(syscall, an_interrupt_that_throws_ends_the_run_with_its_exception) {
    const auto system = [](miou::domain_uid) {
        return miou::events{
            [](bool, std::span<const miou::syscall_uid>) {
                std::this_thread::yield(); // it never blocks, so an interrupt is the only failure
                return std::vector<miou::signal>{};
            },
            [] { throw std::runtime_error{"no way in"}; },
            {}};
    };
    const auto wait = [] { // repeated until the signal comes while the domain sleeps
        for (std::exception_ptr cancellation; !cancellation;) {
            miou::trigger next;
            const std::jthread thread{[&] { next.signal(); }};
            cancellation = next.await();
        }
        miou::yield();
    };
    EXPECT_EQ(message_of<std::runtime_error>([&] {
                  miou::run({.domains = domains(), .events = system},
                            [&] { miou::await_exn(test::anywhere(wait)); });
              }),
              "no way in");
}

} // namespace
