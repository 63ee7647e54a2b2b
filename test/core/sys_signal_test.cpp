// POSIX signals as tasks.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/domain.hpp"
#include "miou/logs.hpp"
#include "miou/mutex.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"
#include "miou/sys_signal.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using test::domains;
using test::installed;

TEST(sys_signal, a_handler_is_a_task_on_dom0) {
    miou::run({.domains = domains()}, [] {
        int seen = 0;
        const auto before =
            miou::sys_signal(SIGUSR1, miou::signal_handle([&](int number) {
                                 EXPECT_EQ(miou::domain::self().to_int(), 0);
                                 miou::yield();
                                 EXPECT_EQ(miou::await_exn(test::anywhere([] { return 1; })), 1);
                                 seen = number;
                             }));
        EXPECT_TRUE(before.is_default());
        ::raise(SIGUSR1);
        test::yield_until([&] { return seen != 0; });
        EXPECT_EQ(seen, SIGUSR1);
    });
}

TEST(sys_signal, it_is_handled_on_dom0_wherever_it_is_set_and_raised) {
    miou::run({.domains = domains()}, [] {
        std::atomic<bool> handled = false;
        const auto handler = [&](int) {
            EXPECT_EQ(miou::domain::self().to_int(), 0);
            handled = true;
        };
        miou::await_exn(
            test::anywhere([&] { miou::sys_signal(SIGUSR1, miou::signal_handle(handler)); }));
        miou::await_exn(test::anywhere([] { ::raise(SIGUSR1); }));
        test::yield_until([&] { return handled.load(); });
        handled = false;
        std::thread{[] { ::raise(SIGUSR1); }}.join();
        test::yield_until([&] { return handled.load(); });
    });
}

TEST(sys_signal, it_wakes_a_sleeping_domain) {
    miou::run({.domains = domains()}, [] {
        miou::trigger handled;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { handled.signal(); }));
        const std::jthread raiser{[] {
            // A thread that is about to end must not get the signal: the thread sanitizer would
            // keep it.
            sigset_t all;
            ::sigfillset(&all);
            ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
            ::kill(::getpid(), SIGUSR1);
        }};
        EXPECT_EQ(handled.await(), nullptr);
    });
}

TEST(sys_signal, a_burst_is_handled_once_for_each_delivery) {
    miou::run({.domains = domains()}, [] {
        constexpr int burst = 100;
        int handled = 0;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { ++handled; }));
        for (int i = 0; i < burst; ++i)
            ::raise(SIGUSR1);
        test::yield_until([&] { return handled >= burst; });
        for (int i = 0; i < 10; ++i)
            miou::yield();
        EXPECT_EQ(handled, burst);
    });
}

TEST(sys_signal, the_previous_behaviour_is_returned_and_may_be_set_again) {
    miou::run({.domains = domains()}, [] {
        std::string seen;
        EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_ignore()).is_default());
        EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { seen += "first "; }))
                        .is_ignore());
        const auto first =
            miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { seen += "second "; }));
        EXPECT_TRUE(first.is_handle());
        EXPECT_FALSE(first.is_default());
        EXPECT_FALSE(first.is_ignore());
        ::raise(SIGUSR1);
        test::yield_until([&] { return seen == "second "; });
        EXPECT_TRUE(miou::sys_signal(SIGUSR1, first).is_handle());
        ::raise(SIGUSR1);
        test::yield_until([&] { return seen == "second first "; });
        EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_ignore()).is_handle());
        ::raise(SIGUSR1);
        EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_default()).is_ignore());
        EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
    });
}

TEST(sys_signal, a_handler_may_replace_itself) {
    miou::run({.domains = domains()}, [] {
        std::string seen;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) {
                             seen += "first ";
                             miou::sys_signal(SIGUSR1,
                                              miou::signal_handle([&](int) { seen += "second "; }));
                         }));
        ::raise(SIGUSR1);
        test::yield_until([&] { return seen == "first "; });
        ::raise(SIGUSR1);
        test::yield_until([&] { return seen == "first second "; });
    });
}

TEST(sys_signal, the_previous_behaviour_is_restored_after_the_run) {
    const auto foreign = +[](int) {};
    struct sigaction action = {};
    action.sa_handler = foreign;
    ::sigaction(SIGUSR1, &action, nullptr);
    miou::run({.domains = domains()}, [&] {
        miou::sys_signal(SIGUSR1, miou::signal_handle([](int) {}));
        miou::sys_signal(SIGUSR1, miou::signal_handle([](int) {}));
        EXPECT_NE(installed(SIGUSR1), foreign);
    });
    EXPECT_EQ(installed(SIGUSR1), foreign);
    EXPECT_THROW(miou::run({.domains = domains()},
                           [] {
                               miou::sys_signal(SIGUSR1, miou::signal_handle([](int) {}));
                               throw 1;
                           }),
                 int);
    EXPECT_EQ(installed(SIGUSR1), foreign);
    action.sa_handler = SIG_DFL;
    ::sigaction(SIGUSR1, &action, nullptr);
}

TEST(sys_signal, an_exception_of_a_handler_is_logged_and_ends_nothing) {
    std::atomic<bool> logged = false;
    miou::logs::set_sink([&](miou::logs::level, std::string_view line) {
        logged = line.find("the handler threw") != line.npos;
    });
    miou::run({.domains = domains()}, [&] {
        miou::sys_signal(SIGUSR1, miou::signal_handle(
                                      [](int) { throw std::runtime_error{"the handler threw"}; }));
        ::raise(SIGUSR1);
        test::yield_until([&] { return logged.load(); });
    });
    miou::logs::set_sink({});
}

TEST(sys_signal, a_handler_that_runs_when_the_root_finishes_is_cancelled) {
    bool unwound = false;
    miou::run({.domains = domains()}, [&] {
        bool started = false;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) {
                             started = true;
                             try {
                                 test::forever();
                             } catch (const miou::cancelled&) {
                                 unwound = true;
                                 throw;
                             }
                         }));
        ::raise(SIGUSR1);
        test::yield_until([&] { return started; });
    });
    EXPECT_TRUE(unwound);
}

TEST(sys_signal, a_handler_may_take_a_mutex_that_the_interrupted_task_holds) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        bool handled = false;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) {
                             const std::scoped_lock held{guard};
                             handled = true;
                         }));
        {
            const std::scoped_lock held{guard};
            ::raise(SIGUSR1);
            miou::yield();
            EXPECT_FALSE(handled);
        }
        test::yield_until([&] { return handled; });
    });
}

TEST(sys_signal, a_handler_may_be_move_only) {
    miou::run({.domains = domains()}, [] {
        int seen = 0;
        miou::sys_signal(SIGUSR1, miou::signal_handle(
                                      [&, mine = std::make_unique<int>(2)](int) { seen = *mine; }));
        ::raise(SIGUSR1);
        test::yield_until([&] { return seen == 2; });
    });
}

TEST(sys_signal, a_number_that_is_no_signal_or_cannot_be_handled_is_refused) {
    miou::run({.domains = domains()}, [] {
        for (int bad : {-1, 0, NSIG, 1000, SIGKILL, SIGSTOP}) {
            EXPECT_THROW(miou::sys_signal(bad, miou::signal_handle([](int) {})),
                         std::invalid_argument)
                << bad;
            EXPECT_THROW(miou::sys_signal(bad, miou::signal_ignore()), std::invalid_argument)
                << bad;
        }
    });
}

TEST(sys_signal, a_function_set_outside_of_tasks_is_kept_for_the_next_run) {
    int seen = 0;
    EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { ++seen; })).is_default());
    EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
    miou::run({.domains = domains()}, [&] {
        ::raise(SIGUSR1);
        test::yield_until([&] { return seen == 1; });
    });
    EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
    miou::run({.domains = domains()}, [] { // not for the run after the next one
        EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_default()).is_default());
    });
}

TEST(sys_signal, a_function_kept_for_the_next_run_is_replaced_by_a_later_one) {
    std::string seen;
    miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { seen += "first "; }));
    const auto first =
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { seen += "second "; }));
    EXPECT_TRUE(first.is_handle());
    EXPECT_TRUE(miou::sys_signal(SIGUSR1, first).is_handle());
    miou::run({.domains = domains()}, [&] {
        ::raise(SIGUSR1);
        test::yield_until([&] { return seen == "first "; });
    });
    miou::sys_signal(SIGUSR1, first);
    EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_ignore()).is_handle());
    EXPECT_EQ(installed(SIGUSR1), SIG_IGN);
    miou::run({.domains = domains()},
              [] { EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_ignore()).is_ignore()); });
    EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_default()).is_ignore());
}

TEST(sys_signal, a_run_that_cannot_start_leaves_the_kept_function_for_the_next_one) {
    bool handled = false;
    miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { handled = true; }));
    EXPECT_THROW(miou::run({.domains = domains(),
                            .events = [](miou::domain_uid) -> miou::events { throw 1; }},
                           [] {}),
                 int);
    miou::run({.domains = domains()}, [&] {
        ::raise(SIGUSR1);
        test::yield_until([&] { return handled; });
    });
}

TEST(sys_signal, a_function_of_a_run_cannot_be_set_again_outside_of_tasks) {
    miou::run({.domains = domains()}, [] {
        miou::sys_signal(SIGUSR1, miou::signal_handle([](int) {}));
        const auto of_the_run = miou::sys_signal(SIGUSR1, miou::signal_ignore());
        std::thread{[&] {
            EXPECT_THROW(miou::sys_signal(SIGUSR1, of_the_run), miou::outside_of_task);
        }}.join();
        EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_default()).is_ignore());
    });
}

TEST(sys_signal, a_nested_run_gives_a_signal_back_to_the_outer_run) {
    int outer = 0;
    int inner = 0;
    miou::run({.domains = domains()}, [&] {
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { ++outer; }));
        miou::run({.domains = domains()}, [&] {
            const auto before =
                miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { ++inner; }));
            EXPECT_TRUE(before.is_handle());
            ::raise(SIGUSR1);
            test::yield_until([&] { return inner == 1; });
            EXPECT_TRUE(miou::sys_signal(SIGUSR1, before).is_handle());
            ::raise(SIGUSR1);
        });
        test::yield_until([&] { return outer == 1; });
        miou::run({.domains = domains()}, [&] { // also at the end of the run
            miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { ++inner; }));
        });
        ::raise(SIGUSR1);
        test::yield_until([&] { return outer == 2; });
    });
    EXPECT_EQ(inner, 1);
    EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
}

TEST(sys_signal, a_nested_run_cannot_call_the_function_of_a_run_that_is_over) {
    miou::run({.domains = domains()}, [&] {
        std::optional<miou::signal_behavior> of_another;
        miou::run({.domains = domains()}, [&] {
            miou::sys_signal(SIGUSR1, miou::signal_handle([](int) { ADD_FAILURE(); }));
            of_another = miou::sys_signal(SIGUSR1, miou::signal_ignore());
        });
        miou::sys_signal(SIGUSR1, *of_another);
        EXPECT_EQ(installed(SIGUSR1), SIG_IGN);
        miou::sys_signal(SIGUSR1, miou::signal_handle([](int) {}));
        miou::sys_signal(SIGUSR1, *of_another);
        EXPECT_EQ(installed(SIGUSR1), SIG_IGN);
    });
    EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_default()).is_ignore());
}

TEST(sys_signal, what_a_nested_run_sets_lasts_until_its_end) {
    miou::run({.domains = domains()}, [&] {
        int handled = 0;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { ++handled; }));
        miou::run({.domains = domains()}, [&] {
            EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_default()).is_handle());
            EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_ignore()).is_default());
            ::raise(SIGUSR1);
        });
        ::raise(SIGUSR1);
        test::yield_until([&] { return handled != 0; });
        EXPECT_EQ(handled, 1);
    });
    EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
}

TEST(sys_signal, runs_restore_the_previous_behaviour_in_whatever_order_they_end) {
    std::signal(SIGUSR1, SIG_IGN);
    std::latch first_has_it{1};
    std::latch second_has_it{1};
    std::jthread first{[&] {
        miou::run({.domains = 0}, [&] {
            miou::sys_signal(SIGUSR1, miou::signal_handle([](int) { ADD_FAILURE(); }));
            first_has_it.count_down();
            second_has_it.wait();
        });
    }};
    miou::run({.domains = domains()}, [&] {
        first_has_it.wait();
        bool handled = false;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { handled = true; }));
        second_has_it.count_down();
        first.join();
        ::raise(SIGUSR1);
        test::yield_until([&] { return handled; });
    });
    EXPECT_EQ(installed(SIGUSR1), SIG_IGN);
    std::signal(SIGUSR1, SIG_DFL);
}

TEST(sys_signal, what_other_code_sets_meanwhile_stays) {
    miou::run({.domains = domains()}, [] {
        miou::sys_signal(SIGUSR1, miou::signal_handle([](int) {}));
        std::signal(SIGUSR1, SIG_IGN);
    });
    EXPECT_EQ(installed(SIGUSR1), SIG_IGN);
    std::signal(SIGUSR1, SIG_DFL);
}

TEST(sys_signal, a_delivered_signal_is_handled_although_its_function_is_replaced) {
    miou::run({.domains = domains()}, [] {
        int handled = 0;
        const auto count = miou::signal_handle([&](int) { ++handled; });
        for (const auto& next : {miou::signal_ignore(), miou::signal_default(), count,
                                 miou::signal_handle([&](int) { ++handled; })}) {
            miou::sys_signal(SIGUSR1, count);
            for (int i = 0; i < 10; ++i)
                ::raise(SIGUSR1);
            miou::sys_signal(SIGUSR1, next);
            test::yield_until([&] { return handled >= 10; });
            EXPECT_EQ(std::exchange(handled, 0), 10);
        }
    });
}

TEST(sys_signal, no_signal_is_lost_while_functions_are_set) {
    static constexpr int wanted = test::scaled(5000, 500);
    miou::run({.domains = domains()}, [] {
        int handled = 0;
        std::atomic<bool> raised = false;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { ++handled; }));
        const std::jthread storm{[&] {
            for (int i = 0; i < wanted; ++i)
                ::raise(SIGUSR1);
            raised = true;
        }};
        const auto setter = test::anywhere([&] {
            while (!raised) {
                const auto before =
                    miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { ++handled; }));
                miou::yield();
                miou::sys_signal(SIGUSR1, before);
                miou::yield();
            }
        });
        test::yield_until([&] { return handled >= wanted; });
        miou::await_exn(setter);
        EXPECT_EQ(handled, wanted);
    });
}

TEST(sys_signal, a_handler_is_named_by_where_it_was_made) {
    std::atomic<bool> named = false;
    miou::logs::set_sink([&](miou::logs::level, std::string_view line) {
        named = line.find("(spawned at ") != line.npos &&
                line.find("sys_signal_test.cpp:") != line.npos;
    });
    miou::run({.domains = domains()}, [&] {
        miou::sys_signal(SIGUSR1, miou::signal_handle([](int) { throw 1; }));
        ::raise(SIGUSR1);
        test::yield_until([&] { return named.load(); });
    });
    miou::logs::set_sink({});
}

template <class F>
constexpr bool may_handle = miou::detail::signal_function<F>;
static_assert(may_handle<void (*)(int)>);
static_assert(!may_handle<void (*)()>, "it is told the number");
static_assert(!may_handle<bool (*)(int)>, "nobody would see what it returns");

TEST(sys_signal, several_runs_at_once_may_each_handle_a_signal_of_their_own) {
    const auto handle = [](int number) {
        for (int i = 0; i < 20; ++i)
            miou::run({.domains = 0}, [number] {
                bool handled = false;
                miou::sys_signal(number, miou::signal_handle([&](int) { handled = true; }));
                ::raise(number);
                test::yield_until([&] { return handled; });
            });
    };
    const std::jthread one{handle, SIGUSR1};
    const std::jthread two{handle, SIGUSR2};
}

} // namespace
