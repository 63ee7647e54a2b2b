// POSIX signals as tasks.

#include "support/domains.hpp"
#include "support/errors.hpp"
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
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using test::domains;

void (*installed(int number))(int) {
    struct sigaction action;
    ::sigaction(number, nullptr, &action);
    return action.sa_handler;
}

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

TEST(sys_signal, it_is_handled_on_dom0_wherever_it_was_set_and_raised) {
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
            // A thread that is about to end must not get it: thread sanitizer would keep it.
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

TEST(sys_signal, the_previous_behaviour_is_returned_and_may_be_given_back) {
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

TEST(sys_signal, what_was_there_is_restored_after_the_run) {
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

TEST(sys_signal, what_a_handler_throws_is_logged_and_ends_nothing) {
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

TEST(sys_signal, outside_of_tasks_only_behaviours_without_a_function_may_be_set) {
    EXPECT_THROW(miou::sys_signal(SIGUSR1, miou::signal_handle([](int) {})), miou::outside_of_task);
    EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_ignore()).is_default());
    EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_default()).is_ignore());
}

TEST(sys_signal, several_runs_at_once_may_each_handle_their_own) {
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
