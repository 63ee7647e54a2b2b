// Requests to stop: what makes them, and what they end.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/reactor.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <thread>

#if !TEST_SANITIZED
extern "C" int __sigaction(int number, const struct sigaction* action, struct sigaction* before);
#endif

namespace {

using namespace std::chrono_literals;
using miou_unix::stop_request;
using test::domains;
using test::failed_with;
using test::installed;
using test::on_reactor;

/// How often SIGUSR1 was set to an action without a function.
std::atomic<int> actions_without_function = 0;

} // namespace

#if !TEST_SANITIZED
extern "C" int sigaction(int number, const struct sigaction* action,
                         struct sigaction* before) noexcept {
    if (action != nullptr && number == SIGUSR1)
        actions_without_function += action->sa_handler == SIG_IGN || action->sa_handler == SIG_DFL;
    return ::__sigaction(number, action, before);
}
#endif

namespace {

TEST(stop_request, a_signal_makes_it_and_gives_the_signals_back) {
    // Before the request the signals are ignored.
    std::signal(SIGUSR1, SIG_IGN);
    std::signal(SIGUSR2, SIG_IGN);
    on_reactor([] {
        const auto stop = stop_request::on({SIGUSR1, SIGUSR2});
        EXPECT_FALSE(stop.is_made());
        const auto waiter = test::anywhere([stop] { stop.wait(); });
        ::kill(::getpid(), SIGUSR2);
        stop.wait();
        EXPECT_TRUE(stop.is_made());
        miou::await_exn(waiter);
        for (const int number : {SIGUSR1, SIGUSR2})
            EXPECT_TRUE(miou::sys_signal(number, miou::signal_ignore()).is_ignore());
    });
    std::signal(SIGUSR1, SIG_DFL);
    std::signal(SIGUSR2, SIG_DFL);
}

TEST(stop_request, of_a_number_that_is_no_signal_is_refused_and_changes_nothing) {
    std::signal(SIGUSR1, SIG_IGN);
    on_reactor([] {
        EXPECT_THROW(stop_request::on({SIGUSR1, 1000}), std::invalid_argument);
        EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_ignore()).is_ignore());
    });
    std::signal(SIGUSR1, SIG_DFL);
}

TEST(stop_request, at_the_end_of_the_run_the_signals_behave_as_before) {
    std::signal(SIGUSR1, SIG_IGN);
    on_reactor([] { stop_request::on({SIGUSR1, SIGUSR2}); });
    EXPECT_EQ(installed(SIGUSR1), SIG_IGN);
    EXPECT_EQ(installed(SIGUSR2), SIG_DFL);
    std::signal(SIGUSR1, SIG_DFL);
}

TEST(stop_request, a_signal_that_is_named_twice_is_given_back_once) {
    for (const bool comes : {false, true})
        on_reactor([comes] {
            const auto stop = stop_request::on({SIGUSR1, SIGUSR2, SIGUSR1, SIGUSR1});
            if (comes) {
                ::raise(SIGUSR1);
                stop.wait();
                EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
                EXPECT_EQ(installed(SIGUSR2), SIG_DFL);
            }
        });
    EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
}

TEST(stop_request, the_newest_one_gets_the_signal_and_then_the_one_before_it) {
    on_reactor([] {
        const auto first = stop_request::on({SIGUSR1, SIGUSR2});
        const auto second = stop_request::on({SIGUSR2, SIGUSR1});
        ::raise(SIGUSR1);
        second.wait();
        EXPECT_FALSE(first.is_made());
        ::raise(SIGUSR2);
        first.wait();
        EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
        EXPECT_EQ(installed(SIGUSR2), SIG_DFL);
    });
}

TEST(stop_request, one_made_outside_of_tasks_is_for_the_next_run) {
    const auto stop = stop_request::on({SIGUSR1, SIGUSR2});
    EXPECT_FALSE(stop.is_made());
    on_reactor([&] {
        ::raise(SIGUSR2);
        stop.wait();
        EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
        EXPECT_EQ(installed(SIGUSR2), SIG_DFL);
    });
    EXPECT_THROW(stop_request::on({SIGUSR1, 1000}), std::invalid_argument);
    on_reactor([] { EXPECT_EQ(installed(SIGUSR1), SIG_DFL); });
}

TEST(stop_request, its_signals_have_a_function_at_every_moment) {
    if (TEST_SANITIZED)
        GTEST_SKIP() << "the sanitizers replace sigaction themselves";
    on_reactor([] {
        miou::sys_signal(SIGUSR1, miou::signal_handle([](int) {}));
        const int before = actions_without_function;
        for (int i = 0; i < 2; ++i) {
            const auto stop = miou::await_exn(test::anywhere([] {
                return stop_request::on({SIGUSR1, SIGUSR2, SIGUSR1});
            }));
            ::raise(SIGUSR1);
            stop.wait();
            miou::run({.domains = 0}, [] { stop_request::on({SIGUSR1}); });
        }
        EXPECT_EQ(actions_without_function, before);
        miou::sys_signal(SIGUSR1, miou::signal_default());
        EXPECT_EQ(actions_without_function, before + 1); // shows that the counter works
    });
}

TEST(stop_request, no_signal_is_lost_while_it_is_made) {
    static constexpr int rounds = 100;
    on_reactor([] {
        int counted = 0;
        stop_request came;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) {
                             ++counted;
                             came.make();
                         }));
        std::atomic<int> asked = 0;
        const std::jthread raiser{[&] {
            for (int i = 0; i < rounds; ++i) {
                asked.wait(i);
                ::raise(SIGUSR1);
            }
        }};
        int stopped = 0;
        for (int i = 0; i < rounds; ++i) {
            came = {};
            const int before = counted;
            const auto stop = miou::await_exn(test::anywhere([&] {
                ++asked;
                asked.notify_one();
                return stop_request::on({SIGUSR2, SIGUSR1});
            }));
            const auto stopping = miou::async([&] {
                stop.wait();
                came.make();
            });
            miou_unix::with_timeout(20s, [&] { came.wait(); });
            stopped += counted == before;
            if (counted != before)
                ::raise(SIGUSR1); // now the request gives the signals back
            miou::await_exn(stopping);
        }
        EXPECT_EQ(counted + stopped, rounds);
    });
}

TEST(until, the_stop_ends_a_wait_on_any_domain_and_nothing_else) {
    on_reactor([] {
        const stop_request stop;
        std::atomic<int> waiting = 0;
        std::vector<miou::promise<bool>> idle;
        for (int i = 0; i < 4; ++i)
            idle.push_back(test::anywhere([&] {
                const auto [from, to] = test::socket_pair();
                char byte;
                const auto got = miou_unix::until(stop, [&, f = from] {
                    ++waiting;
                    return miou_unix::read(f, {&byte, 1});
                });
                miou::yield(); // does not throw: the task itself is not cancelled
                return got.has_value();
            }));
        test::yield_until([&] { return waiting == 4; });
        stop.make();
        for (const auto& outcome : miou::await_all(idle))
            EXPECT_FALSE(outcome.value());
    });
}

TEST(until, returns_what_the_function_returns_and_leaves_nothing) {
    on_reactor([] {
        const stop_request stop;
        EXPECT_EQ(miou_unix::until(stop, [] { return 1; }), 1);
        EXPECT_TRUE(miou_unix::until(stop, [] { miou::yield(); }));
        stop.make();
        miou::yield();
        EXPECT_EQ(miou_unix::until(stop, [] { return 2; }), 2); // this does not need to wait
        EXPECT_FALSE(miou_unix::until(stop, test::forever));
    });
}

TEST(until, a_stop_at_the_moment_when_the_function_ends_is_harmless) {
    on_reactor([] {
        for (int i = 0; i < test::scaled(2'000, 200); ++i) {
            const stop_request stop;
            const auto stopping = test::anywhere([&] { stop.make(); });
            miou_unix::until(stop, [&] {
                for (int turn = 0; turn < i % 5; ++turn)
                    miou::yield();
            });
            miou::await_exn(stopping);
        }
    });
}

} // namespace
