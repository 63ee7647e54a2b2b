// Waiting for conditions that a mutex protects.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/condition.hpp"
#include "miou/events.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using test::domains;
using test::failed_with;

class bounded_stream {
public:
    explicit bounded_stream(std::size_t size)
        : buffer_(size) {}

    void put(int value) {
        const std::scoped_lock held{lock_};
        while ((write_ + 1) % buffer_.size() == read_)
            non_full_.wait(lock_);
        buffer_[write_] = value;
        write_ = (write_ + 1) % buffer_.size();
        non_empty_.signal();
    }
    int get() {
        const std::scoped_lock held{lock_};
        while (write_ == read_)
            non_empty_.wait(lock_);
        const int value = buffer_[read_];
        read_ = (read_ + 1) % buffer_.size();
        non_full_.signal();
        return value;
    }

private:
    std::vector<int> buffer_;
    std::size_t read_ = 0;
    std::size_t write_ = 0;
    miou::mutex lock_;
    miou::condition non_empty_;
    miou::condition non_full_;
};

TEST(condition, a_bounded_stream_keeps_its_order_over_domains) { // Miou test31
    const auto produce = [](bounded_stream& stream, int max) {
        for (int n = 0; n <= max; ++n)
            stream.put(n);
    };
    const auto consume = [](bounded_stream& stream, int max) {
        for (int n = 0; n <= max; ++n)
            ASSERT_EQ(stream.get(), n);
    };
    miou::run({.domains = test::at_least(1)}, [&] {
        bounded_stream t0{20};
        bounded_stream t1{30};
        const auto p = miou::async([&] { consume(t1, 800); });
        const std::vector<std::function<void()>> work{
            [&] { produce(t0, 1000); }, [&] { produce(t1, 800); }, [&] { consume(t0, 1000); }};
        for (const auto& each : miou::parallel([](const auto& fn) { fn(); }, work))
            EXPECT_TRUE(each.has_value());
        miou::await_exn(p);
    });
}

TEST(condition, signal_wakes_one_in_order_of_arrival_and_broadcast_all) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        miou::condition changed;
        std::string order;
        changed.signal(); // nobody waits, so it has no effect
        changed.broadcast();
        std::vector<miou::promise<void>> children;
        for (char name : {'a', 'b', 'c', 'd'})
            children.push_back(miou::async([&, name] {
                const std::scoped_lock held{guard};
                changed.wait(guard);
                order += name;
            }));
        const auto settle = [] {
            for (int i = 0; i < 4; ++i)
                miou::yield();
        };
        settle();
        EXPECT_EQ(order, "");
        changed.signal();
        settle();
        EXPECT_EQ(order, "a");
        changed.signal();
        settle();
        EXPECT_EQ(order, "ab");
        changed.broadcast();
        miou::await_all(children);
        EXPECT_EQ(order, "abcd");
    });
}

TEST(condition, broadcast_does_not_wake_tasks_that_wait_again) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        miou::condition changed;
        int wakes = 0;
        const auto p = miou::async([&] {
            const std::scoped_lock held{guard};
            for (;;) {
                changed.wait(guard);
                ++wakes;
            }
        });
        miou::yield();
        changed.broadcast();
        for (int i = 0; i < 5; ++i)
            miou::yield();
        EXPECT_EQ(wakes, 1);
        miou::cancel(p);
    });
}

TEST(condition, the_predicate_is_checked_under_the_lock_and_before_waiting) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        miou::condition changed;
        int value = 0;
        {
            std::unique_lock held{guard};
            changed.wait(held, [] { return true; });
            changed.wait(guard, [] { return true; });
        }
        const auto p = test::anywhere([&] {
            std::unique_lock held{guard};
            changed.wait(held, [&] {
                EXPECT_FALSE(guard.try_lock());
                return value == 3;
            });
        });
        while (p.state() == miou::promise_state::running) {
            guard.protect([&] { value = value == 3 ? 3 : value + 1; });
            changed.signal();
            miou::yield();
        }
        EXPECT_EQ(value, 3);
        miou::await_exn(p);
    });
}

TEST(condition, waiting_without_the_mutex_is_an_error) {
    const auto code_of_wait = [](auto& lock) {
        miou::condition never;
        try {
            never.wait(lock);
        } catch (const std::system_error& error) {
            return error.code();
        }
        return std::error_code{};
    };
    const auto expected = std::make_error_code(std::errc::operation_not_permitted);
    miou::run({.domains = domains()}, [&] {
        miou::mutex guard;
        EXPECT_EQ(code_of_wait(guard), expected);
        std::unique_lock without{guard, std::defer_lock};
        EXPECT_EQ(code_of_wait(without), expected);
        const std::scoped_lock held{guard};
        miou::await_exn(test::anywhere([&] { EXPECT_EQ(code_of_wait(guard), expected); }));
    });
}

TEST(condition, the_mutex_is_locked_again_before_cancelled_is_thrown) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        miou::condition never;
        std::string seen;
        const auto p = miou::async([&] {
            std::unique_lock held{guard};
            try {
                never.wait(held);
            } catch (const miou::cancelled&) {
                EXPECT_TRUE(held.owns_lock());
                seen += "cancelled with the lock";
                guard.unlock();
                guard.lock();
                throw;
            }
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_EQ(seen, "cancelled with the lock");
        EXPECT_TRUE(guard.try_lock());
        guard.unlock();
    });
}

TEST(condition, a_cancelled_waiter_waits_for_the_lock) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        miou::condition never;
        bool released = false;
        bool unwound = false;
        const auto p = miou::async([&] {
            std::unique_lock held{guard};
            try {
                never.wait(held);
            } catch (const miou::cancelled&) {
                EXPECT_TRUE(released);
                unwound = true;
                throw;
            }
        });
        miou::yield();
        const auto holder = miou::async([&] {
            const std::scoped_lock held{guard};
            for (int i = 0; i < 5; ++i)
                miou::yield();
            released = true;
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_TRUE(unwound);
        miou::await_exn(holder);
    });
}

/// Signals once and cancels the first of two waiters. If the wait of the first has not returned,
/// the signal must wake the second. If it were lost, the second would wait forever.
template <class Signal>
void cancel_a_signaled_waiter(Signal signal) {
    miou::mutex guard;
    miou::condition changed;
    bool returned = false;
    const auto first = miou::async([&] {
        std::unique_lock held{guard};
        changed.wait(held);
        returned = true;
    });
    const auto second = miou::async([&] {
        std::unique_lock held{guard};
        changed.wait(held);
    });
    miou::yield();
    const auto signaler = signal([&] { changed.signal(); });
    miou::cancel(first);
    miou::await_exn(signaler);
    if (returned)
        changed.signal();
    miou::await_exn(second);
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
}

TEST(condition, no_signal_is_lost_in_a_cancelled_waiter) {
    miou::run({.domains = domains()}, [] {
        cancel_a_signaled_waiter([](auto signal) {
            auto p = miou::async(signal);
            miou::yield();
            return p;
        });
        cancel_a_signaled_waiter([](auto signal) { return miou::async(signal); });
    });
}

TEST(condition, no_signal_is_lost_when_cancellations_race_with_signals) {
    miou::run({.domains = test::at_least(1)}, [] {
        for (int i = 0; i < 100; ++i)
            cancel_a_signaled_waiter([&](auto signal) {
                auto p = miou::call(signal);
                if (i % 2)
                    miou::yield();
                return p;
            });
    });
}

// A plain thread, like another domain, moves waiters to the queue of a mutex that is held.

TEST(condition, each_signal_while_the_mutex_is_held_wakes_one_in_order_of_arrival) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        miou::condition changed;
        std::string order;
        std::vector<miou::promise<void>> children;
        for (char name : {'a', 'b', 'c'})
            children.push_back(miou::async([&, name] {
                const std::scoped_lock held{guard};
                changed.wait(guard);
                order += name;
            }));
        miou::yield();
        guard.lock();
        for (int i = 0; i < 2; ++i)
            std::thread{[&] { changed.signal(); }}.join();
        for (int i = 0; i < 4; ++i)
            miou::yield();
        EXPECT_EQ(order, "");
        guard.unlock();
        ASSERT_TRUE(guard.try_lock()); // overtakes the one that was woken
        for (int i = 0; i < 4; ++i)
            miou::yield();
        EXPECT_EQ(order, "");
        guard.unlock();
        for (int i = 0; i < 4; ++i)
            miou::yield();
        EXPECT_EQ(order, "ab");
        changed.signal();
        miou::await_all(children);
    });
}

TEST(condition, a_signaled_waiter_is_not_cancelled_while_it_waits_for_the_mutex) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        miou::condition changed;
        bool released = false;
        bool returned = false;
        const auto p = miou::async([&] {
            const std::scoped_lock held{guard};
            changed.wait(guard);
            EXPECT_TRUE(released);
            returned = true;
        });
        miou::yield();
        const auto holder = miou::async([&] {
            const std::scoped_lock held{guard};
            std::thread{[&] { changed.signal(); }}.join();
            for (int i = 0; i < 5; ++i)
                miou::yield();
            released = true;
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_TRUE(returned);
        EXPECT_TRUE(guard.try_lock());
        guard.unlock();
        miou::await_exn(holder);
    });
}

/// Waits again and again, while a thread that never locks the mutex signals. So signals come
/// between the beginning of a wait and its unlock, too.
void wait_while_a_thread_signals() {
    miou::mutex guard;
    miou::condition changed;
    std::jthread signaler{[&](const std::stop_token& done) {
        while (!done.stop_requested()) {
            changed.signal();
            std::this_thread::yield();
        }
    }};
    const std::scoped_lock held{guard};
    for (int i = 0; i < 5000; ++i)
        changed.wait(guard);
    signaler.request_stop();
    signaler.join();
}

TEST(condition, a_signal_may_come_before_the_waiter_has_unlocked) {
    wait_while_a_thread_signals();
    miou::run({.domains = domains()},
              [] { miou::await_exn(test::anywhere([] { wait_while_a_thread_signals(); })); });
}

TEST(condition, whoever_broadcast_wakes_last_may_destroy_it_while_broadcast_runs) {
    std::counting_semaphore<> asleep{0};
    std::counting_semaphore<> woken{0};
    std::counting_semaphore<> destroyed{0};
    const auto system = [&](miou::domain_uid) {
        return miou::events{.select =
                                [&](bool block, auto) {
                                    if (block) {
                                        asleep.release();
                                        woken.acquire();
                                    }
                                    return std::vector<miou::signal>{};
                                },
                            .interrupt =
                                [&] { // inside `broadcast`
                                    woken.release();
                                    destroyed.acquire();
                                },
                            .finaliser = {}};
    };
    auto changed = std::make_unique<miou::condition>();
    std::jthread broadcaster{[&, &condition = *changed] {
        asleep.acquire();
        condition.broadcast();
    }};
    miou::run({.domains = 0, .events = system}, [&] {
        miou::mutex guard;
        {
            const std::scoped_lock held{guard};
            changed->wait(guard);
        }
        changed.reset();
        destroyed.release();
    });
}

TEST(condition, plain_threads_may_wait_and_signal) {
    miou::mutex guard;
    miou::condition changed;
    int turn = 0;
    const auto play = [&](int mine) {
        for (int i = 0; i < 50; ++i) {
            std::unique_lock held{guard};
            changed.wait(held, [&] { return turn == mine; });
            turn = 1 - mine;
            changed.broadcast();
        }
    };
    std::jthread thread{[&] { play(0); }};
    miou::run({.domains = domains()}, [&] { miou::await_exn(test::anywhere([&] { play(1); })); });
    thread.join();
    EXPECT_EQ(turn, 0);
}

TEST(condition_death_test, destroying_one_that_a_task_waits_for_names_the_task) {
    EXPECT_DEATH(miou::run({.domains = domains()},
                           [] {
                               miou::mutex guard;
                               auto doomed = std::make_unique<miou::condition>();
                               const auto waiting = miou::async([&] {
                                   std::unique_lock held{guard};
                                   doomed->wait(held);
                               });
                               miou::yield();
                               doomed.reset();
                           }),
                 "miou: a condition was destroyed while task [0-9]+ "
                 "\\(spawned at [^ ]*condition_test.cpp:[0-9]+\\) waited for it");
}

} // namespace
