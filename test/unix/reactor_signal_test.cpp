// POSIX signals while the domains use their reactors: whatever dom0 does, no signal is lost.

#include "support/domains.hpp"
#include "support/io.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/computation.hpp"
#include "miou/domain.hpp"
#include "miou/promise.hpp"
#include "miou/sys_signal.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace {

using test::domains;
using test::numbered_bytes;

/// Whether a thread of this process sleeps in the kernel.
bool is_asleep(::pid_t thread) {
    std::ifstream file{"/proc/self/task/" + std::to_string(thread) + "/stat"};
    std::string before_the_state;
    std::getline(file, before_the_state, ')'); // a name may contain anything
    char state = '?';
    file >> state;
    return state == 'S';
}

/// A thread that waits until the calling thread sleeps, then raises SIGUSR1 `times` times. `raise`
/// returns after the handler has run, so each is a delivery of its own.
std::jthread raise_when_asleep(int times) {
    return std::jthread{[times, sleeper = ::gettid()] {
        while (!is_asleep(sleeper))
            std::this_thread::yield();
        for (int i = 0; i < times; ++i)
            ::raise(SIGUSR1);
    }};
}

/// Counts SIGUSR1 in `handled`, on dom0, and signals `enough` when `wanted` have been handled.
void count_signals(std::atomic<int>& handled, int wanted, miou::trigger& enough) {
    miou::sys_signal(SIGUSR1, miou::signal_handle([&handled, &enough, wanted](int number) {
                         EXPECT_EQ(number, SIGUSR1);
                         EXPECT_EQ(miou::domain::self().to_int(), 0);
                         miou::yield(); // a handler is a task, so it may suspend
                         if (++handled == wanted)
                             enough.signal();
                     }));
}

TEST(reactor_signal, wakes_dom0_whatever_it_waits_for) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        const miou::computation<void> never;
        const std::vector<std::function<void()>> waits{
            [] { miou_unix::sleep(1e10); },
            [] { miou_unix::sleep(20); },
            [f = from] { test::read_to_end(f); },
            [&] { miou_unix::blocking_read(miou_unix::to_file_descr(from)); },
            [&] { never.await_exn(); },
            [] { miou::await_exn(test::anywhere([] { miou_unix::sleep(1e10); })); },
        };
        for (const auto& wait : waits)
            for (const int times : {1, 2, 20}) {
                const auto waiting = miou::async(wait);
                std::atomic<int> handled = 0;
                miou::trigger enough;
                count_signals(handled, times, enough);
                const auto raiser = raise_when_asleep(times);
                EXPECT_EQ(enough.await(), nullptr);
                EXPECT_EQ(handled, times);
                miou::cancel(waiting);
            }
    });
}

TEST(reactor_signal, wakes_dom0_again_and_again) {
    miou_unix::run({.domains = domains()}, [] {
        for (int i = 0; i < test::scaled(100, 30); ++i) {
            std::atomic<int> handled = 0;
            miou::trigger enough;
            count_signals(handled, 1, enough);
            const std::jthread raiser{
                [] { ::raise(SIGUSR1); }}; // dom0 sleeps, is about to sleep, or does not yet
            EXPECT_EQ(enough.await(), nullptr);
        }
    });
}

TEST(reactor_signal, waits_for_dom0_to_end_its_computation) {
    miou_unix::run({.domains = domains()}, [] {
        for (const int times : {1, 2, 100}) {
            std::atomic<int> handled = 0;
            miou::trigger enough;
            count_signals(handled, times, enough);
            std::thread{[times] {
                for (int i = 0; i < times; ++i)
                    ::raise(SIGUSR1);
            }}.join(); // dom0 does not suspend meanwhile
            EXPECT_EQ(handled, 0);
            EXPECT_EQ(enough.await(), nullptr);
            for (int i = 0; i < 10; ++i)
                miou::yield();
            EXPECT_EQ(handled, times);
        }
    });
}

TEST(reactor_signal, is_handled_while_dom0_waits_for_another_domain) {
    miou_unix::run({.domains = test::at_least(1)}, [] {
        for (const int times : {1, 2, 50}) {
            std::atomic<int> handled = 0;
            const miou::computation<void> enough;
            miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) {
                                 if (++handled == times)
                                     enough.try_return();
                             }));
            miou::await_exn(miou::call([&] {
                for (int i = 0; i < times; ++i)
                    ::raise(SIGUSR1);
                enough.await_exn(); // completed on dom0, which waits for this task
            }));
            EXPECT_EQ(handled, times);
        }
    });
}

TEST(reactor_signal, no_signal_of_a_burst_from_many_threads_is_lost) {
    static constexpr int threads = 4;
    static constexpr int each_raises = test::scaled(500, 50);
    miou_unix::run({.domains = domains()}, [] {
        std::atomic<int> handled = 0;
        miou::trigger enough;
        count_signals(handled, threads * each_raises, enough);
        std::vector<std::jthread> raisers;
        for (int i = 0; i < threads; ++i)
            raisers.emplace_back([] {
                for (int k = 0; k < each_raises; ++k)
                    ::raise(SIGUSR1);
            });
        EXPECT_EQ(enough.await(), nullptr);
        raisers.clear();
        for (int i = 0; i < 10; ++i)
            miou::yield();
        EXPECT_EQ(handled, threads * each_raises);
    });
}

TEST(reactor_signal, all_signals_that_the_kernel_queues_are_handled) {
    if (TEST_SANITIZED)
        GTEST_SKIP() << "the thread sanitizer merges signals that another thread sends";
    static constexpr int count = 1000;
    miou_unix::run({.domains = domains()}, [] {
        int handled = 0;
        miou::trigger enough;
        const int number = SIGRTMIN;
        miou::sys_signal(number, miou::signal_handle([&](int) {
                             if (++handled == count)
                                 enough.signal();
                         }));
        const std::jthread sender{[number] {
            for (int i = 0; i < count; ++i)
                while (::sigqueue(::getpid(), number, {}) != 0) // the queue of the kernel is full
                    std::this_thread::yield();
        }};
        EXPECT_EQ(enough.await(), nullptr);
    });
}

TEST(reactor_signal, several_handlers_may_wait_at_once) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        int begun = 0;
        std::string received;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&, f = from](int) {
                             ++begun;
                             char byte[1];
                             miou_unix::really_read(f, byte);
                             received += byte[0];
                         }));
        for (int i = 0; i < 3; ++i)
            ::raise(SIGUSR1);
        test::yield_until([&] { return begun == 3; });
        EXPECT_EQ(received, "");
        miou_unix::write(to, "xyz");
        test::yield_until([&] { return received.size() == 3; });
        EXPECT_EQ(received, "xyz");
    });
}

TEST(reactor_signal, a_storm_does_not_disturb_input_and_output) {
    static constexpr int size = test::scaled(3'000'000, 500'000);
    miou_unix::run({.domains = domains()}, [] {
        std::atomic<int> handled = 0;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { ++handled; }));
        const std::jthread storm{[&, dom0 = ::pthread_self()](std::stop_token stop) {
            for (int sent = 0; !stop.stop_requested();)
                if (handled >= sent / 2) { // the kernel has merged some
                    ::pthread_kill(dom0, SIGUSR1);
                    ++sent;
                } else {
                    std::this_thread::yield();
                }
        }};
        const auto [a, b] = test::tcp_pair();
        const auto sender = test::anywhere(
            [f = a] { test::send_numbered(f, numbered_bytes{}, static_cast<std::size_t>(size)); });
        const auto sleeper = miou::async([] {
            for (int i = 0; i < 50; ++i)
                miou_unix::sleep(1e-4);
        });
        EXPECT_EQ(test::receive_numbered(b, numbered_bytes{}), size);
        miou::await_exn(sender);
        miou::await_exn(sleeper);
        test::yield_until([&] { return handled > 0; });
    });
}

} // namespace
