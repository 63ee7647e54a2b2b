// Functions that block, on worker threads beside the domains.

#include "support/domains.hpp"
#include "support/environment.hpp"
#include "support/errors.hpp"
#include "support/process.hpp"
#include "support/reactor.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <pthread.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <latch>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using miou_unix::blocking;
using test::domains;
using test::failed_with;
using test::on_reactor;

/// A worker that runs a function until it is released.
class held_worker {
public:
    /// For a task. Returns true when the worker has been released.
    bool occupy() {
        return blocking([this] {
            occupied_.count_down();
            released_.wait();
            return true;
        });
    }
    /// Blocks the calling thread.
    void wait_until_occupied() const { occupied_.wait(); }
    void release() { released_.count_down(); }

private:
    std::latch occupied_{1};
    std::latch released_{1};
};

TEST(blocking, runs_on_a_thread_that_is_no_domain) {
    on_reactor([] {
        const auto here = std::this_thread::get_id();
        EXPECT_NE(blocking([] { return std::this_thread::get_id(); }), here);
        EXPECT_EQ(std::this_thread::get_id(), here);
        blocking([] { EXPECT_THROW(miou::yield(), miou::outside_of_task); });
    });
}

TEST(blocking, returns_what_the_function_returns_and_throws_what_it_throws) {
    on_reactor([] {
        int local = 1;
        EXPECT_EQ(blocking([&] { return ++local; }), 2);
        EXPECT_EQ(*blocking([] { return std::make_unique<int>(3); }), 3);
        blocking([&] { local = 4; });
        EXPECT_EQ(local, 4);
        EXPECT_THROW(blocking([] { throw std::out_of_range{"far"}; }), std::out_of_range);
    });
}

TEST(blocking, parks_only_the_calling_task) {
    on_reactor([] {
        held_worker worker;
        const auto caller = miou::async([&] { worker.occupy(); });
        miou::yield();
        worker.release(); // would never happen if the domain were blocked
        miou::await_exn(caller);
    });
}

TEST(blocking, no_more_run_at_once_than_there_are_workers_and_the_rest_follow) {
    miou_unix::run({.domains = domains(), .workers = 2}, [] {
        std::atomic<int> running = 0;
        std::atomic<int> most = 0;
        std::vector<miou::promise<void>> callers;
        for (int i = 0; i < 100; ++i)
            callers.push_back(miou::async([&] {
                blocking([&] {
                    const int now = ++running;
                    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
                    }
                    std::this_thread::yield();
                    --running;
                });
            }));
        for (const auto& outcome : miou::await_all(std::move(callers)))
            EXPECT_TRUE(outcome.has_value());
        EXPECT_LE(most, 2);
    });
}

TEST(blocking, of_a_cancelled_task_is_not_run_if_it_still_waits_in_the_queue) {
    const test::environment_variable workers{"MIOU_WORKERS", "1"};
    on_reactor([] {
        held_worker worker;
        const auto first = miou::async([&] { worker.occupy(); });
        const auto second = miou::async([] {
            blocking([] { ADD_FAILURE() << "a function that was removed from the queue ran"; });
        });
        miou::yield();
        worker.wait_until_occupied();
        miou::cancel(second);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(second)));
        worker.release();
        miou::await_exn(first);
    });
}

TEST(blocking, that_has_begun_is_waited_for_and_its_outcome_is_not_lost) {
    on_reactor([] {
        held_worker worker;
        bool returned = false;
        const auto caller = miou::async([&] { returned = worker.occupy(); });
        miou::yield();
        worker.wait_until_occupied();
        const auto releasing = miou::async([&] { worker.release(); });
        miou::cancel(caller);
        EXPECT_TRUE(returned);
        miou::await_exn(releasing);
    });
}

TEST(blocking, a_function_has_the_signal_mask_of_its_caller) {
    on_reactor([] {
        const auto blocks = [](int number) {
            sigset_t blocked;
            ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
            return ::sigismember(&blocked, number) == 1;
        };
        sigset_t one, before;
        ::sigemptyset(&one);
        ::sigaddset(&one, SIGUSR1);
        ::pthread_sigmask(SIG_BLOCK, &one, &before);
        EXPECT_TRUE(blocking([&] { return blocks(SIGUSR1) && !blocks(SIGTERM); }));
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        EXPECT_EQ(blocking([&] { return blocks(SIGUSR1); }), blocks(SIGUSR1));
    });
}

TEST(blocking, refuses_a_malformed_number_of_workers_and_works_once_it_is_corrected) {
    for (const char* bad : {"", "0", "-1", "4x", "1025", "99999999999"}) {
        const test::environment_variable workers{"MIOU_WORKERS", bad};
        for (const std::optional<int> chosen : {std::optional<int>{}, std::optional{2}}) {
            const auto text = test::message_of<std::invalid_argument>(
                [&] { miou_unix::run({.domains = domains(), .workers = chosen}, [] { FAIL(); }); });
            EXPECT_TRUE(test::contains(text, "MIOU_WORKERS")) << text;
        }
    }
    for (const int bad : {0, -1, 1025}) {
        const auto text = test::message_of<std::invalid_argument>(
            [&] { miou_unix::run({.domains = domains(), .workers = bad}, [] { FAIL(); }); });
        EXPECT_TRUE(test::contains(text, ".workers")) << text;
    }
    miou_unix::run({.domains = domains(), .workers = 1024}, [] { blocking([] {}); });
}

TEST(blocking, one_thread_runs_all_calls_that_follow_each_other) {
    on_reactor([] {
        const std::size_t before = test::live_threads();
        for (int i = 0; i < 100; ++i)
            blocking([] {});
        EXPECT_EQ(test::live_threads(), before + 1);
    });
}

/// While this object exists no thread can be started: the default stack is too large.
class no_more_threads {
public:
    no_more_threads() {
        ::pthread_getattr_default_np(&before_);
        ::pthread_attr_t huge;
        ::pthread_attr_init(&huge);
        ::pthread_attr_setstacksize(&huge, ~std::size_t{0} / 4 * 3);
        EXPECT_EQ(::pthread_setattr_default_np(&huge), 0);
        ::pthread_attr_destroy(&huge);
    }
    ~no_more_threads() {
        ::pthread_setattr_default_np(&before_);
        ::pthread_attr_destroy(&before_);
    }
    no_more_threads(const no_more_threads&) = delete;
    no_more_threads& operator=(const no_more_threads&) = delete;

private:
    ::pthread_attr_t before_;
};

TEST(blocking, says_that_no_thread_can_be_started_and_works_once_one_can) {
    on_reactor([] {
        {
            const no_more_threads meanwhile;
            const auto text = test::message_of<std::system_error>(
                [] { blocking([] { ADD_FAILURE() << "ran without a thread"; }); });
            EXPECT_TRUE(test::contains(text, "miou_unix::blocking")) << text;
        }
        EXPECT_EQ(blocking([] { return 1; }), 1);
    });
}

TEST(blocking, waits_for_an_existing_thread_if_no_more_can_be_started) {
    on_reactor([] {
        held_worker worker;
        const auto first = miou::async([&] { worker.occupy(); });
        miou::yield();
        worker.wait_until_occupied();
        const no_more_threads meanwhile;
        const auto second = miou::async([] { return blocking([] { return 2; }); });
        miou::yield();
        worker.release();
        EXPECT_EQ(miou::await_exn(second), 2);
        miou::await_exn(first);
    });
}

TEST(blocking, needs_a_task_and_a_reactor) {
    EXPECT_THROW(blocking([] {}), miou::outside_of_task);
    miou::run({.domains = domains()},
              [] { EXPECT_THROW(blocking([] {}), miou::no_select_provided); });
}

TEST(blocking, no_thread_is_left_after_the_run) {
    const std::size_t before = test::live_threads();
    for (int i = 0; i < 20; ++i) {
        on_reactor([] { blocking([] {}); });
        EXPECT_EQ(test::live_threads(), before);
    }
}

TEST(blocking, a_storm_of_cancellations_loses_no_call) {
    on_reactor([] {
        std::atomic<int> begun = 0;
        std::atomic<int> ended = 0;
        std::minstd_rand random{7};
        for (int i = 0; i < test::scaled(20'000, 2000); ++i) {
            const auto caller = test::anywhere([&] {
                for (;;)
                    blocking([&] {
                        ++begun;
                        ++ended;
                    });
            });
            for (auto steps = random() % 3; steps != 0; --steps)
                miou::yield();
            miou::cancel(caller);
        }
        EXPECT_EQ(begun, ended);
    });
}

} // namespace
