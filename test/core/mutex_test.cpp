// Mutual exclusion between tasks, on any domains, and plain threads.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/mutex.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"
#include "miou/trigger.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using test::domains;
using test::failed_with;

template <class F>
std::error_code code_of(F&& fn) {
    try {
        fn();
    } catch (const std::system_error& error) {
        return error.code();
    }
    return {};
}
const auto deadlock = std::make_error_code(std::errc::resource_deadlock_would_occur);
const auto not_permitted = std::make_error_code(std::errc::operation_not_permitted);

TEST(mutex, excludes_tasks_of_all_domains) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        int counter = 0;
        const auto count = [&] {
            for (int i = 0; i < 200; ++i) {
                const std::scoped_lock held{guard};
                const int seen = counter;
                if (i % 16 == 0)
                    miou::yield();
                counter = seen + 1;
            }
        };
        std::vector<miou::promise<void>> children;
        for (int i = 0; i < 6; ++i)
            children.push_back(i % 2 ? miou::async(count) : test::anywhere(count));
        miou::await_all(children);
        EXPECT_EQ(counter, 1200);
    });
}

TEST(mutex, excludes_tasks_and_plain_threads) {
    miou::mutex guard;
    int counter = 0;
    const auto count = [&] {
        for (int i = 0; i < 300; ++i)
            guard.protect([&] { ++counter; });
    };
    std::jthread first{count};
    std::jthread second{count};
    miou::run({.domains = domains()}, [&] {
        const auto a = test::anywhere(count);
        const auto b = miou::async(count);
        miou::await_exn(a);
        miou::await_exn(b);
    });
    first.join();
    second.join();
    EXPECT_EQ(counter, 1200);
}

TEST(mutex, a_plain_thread_waits_for_a_task) {
    miou::mutex guard;
    bool released = false;
    std::jthread waiting;
    miou::run({.domains = domains()}, [&] {
        const std::scoped_lock held{guard};
        waiting = std::jthread{[&] {
            const std::scoped_lock mine{guard};
            EXPECT_TRUE(released);
        }};
        for (int i = 0; i < 10; ++i)
            miou::yield();
        released = true;
    });
}

TEST(mutex, works_with_the_locks_of_the_standard_library) {
    miou::run({.domains = domains()}, [] {
        miou::mutex a;
        miou::mutex b;
        {
            const std::scoped_lock both{a, b};
            EXPECT_FALSE(a.try_lock());
        }
        std::unique_lock later{a, std::defer_lock};
        EXPECT_TRUE(later.try_lock());
        later.unlock();
        later.lock();
        EXPECT_TRUE(later.owns_lock());
    });
}

TEST(mutex, try_lock_locks) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        ASSERT_TRUE(guard.try_lock());
        EXPECT_FALSE(guard.try_lock());
        miou::await_exn(test::anywhere([&] { EXPECT_FALSE(guard.try_lock()); }));
        bool locked = false;
        const auto waiting = test::anywhere([&] {
            const std::scoped_lock held{guard};
            locked = true;
        });
        for (int i = 0; i < 5; ++i)
            miou::yield();
        EXPECT_EQ(waiting.state(), miou::promise_state::running);
        guard.unlock();
        miou::await_exn(waiting);
        EXPECT_TRUE(locked);
    });
}

TEST(mutex, waiters_lock_it_in_order_of_arrival) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        std::string order;
        guard.lock();
        std::vector<miou::promise<void>> children;
        for (char name : {'a', 'b', 'c', 'd'})
            children.push_back(miou::async([&, name] {
                const std::scoped_lock held{guard};
                order += name;
            }));
        miou::yield(); // now all of them wait
        guard.unlock();
        EXPECT_EQ(order, "");
        miou::await_all(children);
        EXPECT_EQ(order, "abcd");
    });
}

TEST(mutex, whoever_runs_may_lock_it_before_a_waiter_that_was_woken) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        std::string order;
        guard.lock();
        const auto other = miou::async([&] {
            const std::scoped_lock held{guard};
            order += "other ";
        });
        miou::yield();
        guard.unlock();
        EXPECT_TRUE(guard.try_lock());
        guard.unlock();
        guard.lock();
        order += "self ";
        guard.unlock();
        miou::await_exn(other);
        EXPECT_EQ(order, "self other ");
    });
}

TEST(mutex, a_waiter_that_was_overtaken_is_first_again) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        std::string order;
        guard.lock();
        std::vector<miou::promise<void>> children;
        for (char name : {'a', 'b', 'c'})
            children.push_back(miou::async([&, name] {
                const std::scoped_lock held{guard};
                order += name;
            }));
        for (int i = 0; i < 3; ++i) {
            miou::yield(); // the first one is awake, and finds it locked
            guard.unlock();
            guard.lock();
        }
        guard.unlock();
        miou::await_all(children);
        EXPECT_EQ(order, "abc");
    });
}

/// Locks the mutex again and again until somebody else has had it. It is locked whenever anybody
/// else runs.
void be_greedy(miou::mutex& guard, const std::atomic<bool>& somebody_had_it) {
    guard.lock();
    while (!somebody_had_it) {
        miou::yield();
        guard.unlock();
        guard.lock();
    }
    guard.unlock();
}

TEST(mutex, a_waiter_is_not_overtaken_for_ever) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        std::atomic<bool> somebody_had_it = false;
        const auto greedy = miou::async([&] { be_greedy(guard, somebody_had_it); });
        miou::yield();
        {
            const std::scoped_lock held{guard};
            somebody_had_it = true;
        }
        miou::await_exn(greedy);
    });
}

TEST(mutex, a_waiter_is_not_overtaken_for_ever_by_a_task_of_another_domain) {
    if (domains() == 0)
        GTEST_SKIP() << "needs another domain";
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        std::atomic<bool> somebody_had_it = false;
        const auto greedy = miou::call([&] { be_greedy(guard, somebody_had_it); });
        while (guard.try_lock()) { // until the other one has it
            guard.unlock();
            miou::yield();
        }
        {
            const std::scoped_lock held{guard};
            somebody_had_it = true;
        }
        miou::await_exn(greedy);
    });
}

TEST(mutex, unlocking_it_without_holding_it_is_an_error) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        EXPECT_EQ(code_of([&] { guard.unlock(); }), not_permitted);
        guard.lock();
        miou::await_exn(
            test::anywhere([&] { EXPECT_EQ(code_of([&] { guard.unlock(); }), not_permitted); }));
        std::thread{[&] { EXPECT_EQ(code_of([&] { guard.unlock(); }), not_permitted); }}.join();
        EXPECT_FALSE(guard.try_lock());
        guard.unlock();
        EXPECT_EQ(code_of([&] { guard.unlock(); }), not_permitted);
    });
}

TEST(mutex, unlocking_it_without_holding_it_is_an_error_while_others_wait) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        guard.lock();
        const auto waiting = miou::async([&] { const std::scoped_lock held{guard}; });
        miou::yield();
        miou::await_exn(
            test::anywhere([&] { EXPECT_EQ(code_of([&] { guard.unlock(); }), not_permitted); }));
        guard.unlock();
        EXPECT_EQ(code_of([&] { guard.unlock(); }), not_permitted);
        miou::await_exn(waiting);
    });
}

TEST(mutex, locking_it_twice_is_an_error) {
    miou::mutex guard;
    const auto relock = [&] {
        const std::scoped_lock held{guard};
        EXPECT_EQ(code_of([&] { guard.lock(); }), deadlock);
        EXPECT_FALSE(guard.try_lock());
    };
    relock();
    miou::run({.domains = domains()}, [&] {
        relock();
        miou::await_exn(test::anywhere(relock));
    });
}

TEST(mutex, locking_it_twice_is_an_error_while_others_wait) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        guard.lock();
        const auto waiting = miou::async([&] { const std::scoped_lock held{guard}; });
        miou::yield();
        EXPECT_EQ(code_of([&] { guard.lock(); }), deadlock);
        guard.unlock();
        miou::await_exn(waiting);
    });
}

TEST(mutex, an_owner_is_not_mistaken_for_a_task_of_another_run) {
    miou::mutex guard;
    miou::run({.domains = 0}, [&] {
        const std::scoped_lock held{guard};
        miou::run({.domains = 0},
                  [&] { EXPECT_EQ(code_of([&] { guard.unlock(); }), not_permitted); });
    });
    EXPECT_TRUE(guard.try_lock());
    guard.unlock();
}

TEST(mutex, protect_returns_what_its_function_returns_and_unlocks_if_it_throws) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        int value = 3;
        int& same = guard.protect([&]() -> int& { return value; });
        EXPECT_EQ(&same, &value);
        EXPECT_THROW(guard.protect([] { throw std::runtime_error{"x"}; }), std::runtime_error);
        EXPECT_TRUE(guard.try_lock());
        guard.unlock();
    });
}

/// A mutex that the calling task holds while two children of it wait for it.
struct contended {
    miou::mutex guard;
    bool first_entered = false;
    miou::promise<void> first = miou::async([this] {
        const std::scoped_lock held{guard};
        first_entered = true;
    });
    miou::promise<void> second = miou::async([this] { const std::scoped_lock held{guard}; });

    contended() {
        guard.lock();
        miou::yield();
    }
    void expect_that_only_the_second_entered() {
        miou::await_exn(second);
        EXPECT_FALSE(first_entered);
        EXPECT_TRUE(guard.try_lock());
        guard.unlock();
    }
};

TEST(mutex, a_cancelled_waiter_never_gets_it) {
    miou::run({.domains = domains()}, [] {
        contended mutex;
        miou::cancel(mutex.first);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(mutex.first)));
        mutex.guard.unlock();
        mutex.expect_that_only_the_second_entered();
    });
}

TEST(mutex, a_waiter_that_is_cancelled_after_it_was_woken_wakes_the_next) {
    miou::run({.domains = domains()}, [] {
        contended mutex;
        mutex.guard.unlock(); // the first is awake now, and has not run yet
        miou::cancel(mutex.first);
        mutex.expect_that_only_the_second_entered();
    });
}

TEST(mutex, a_waiter_that_is_cancelled_after_it_was_overtaken_does_not_keep_the_next_asleep) {
    miou::run({.domains = domains()}, [] {
        contended mutex;
        mutex.guard.unlock();
        ASSERT_TRUE(mutex.guard.try_lock()); // overtakes the first, which is awake
        miou::cancel(mutex.first);
        mutex.guard.unlock();
        mutex.expect_that_only_the_second_entered();
    });
}

TEST(mutex, wakes_later_waiters_after_its_only_waiter_was_cancelled) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        const auto lock = [&] { const std::scoped_lock held{guard}; };
        for (const bool is_awake : {false, true}) {
            guard.lock();
            const auto only = miou::async(lock);
            miou::yield();
            if (is_awake)
                guard.unlock();
            miou::cancel(only);
            if (!is_awake)
                guard.unlock();
            guard.lock();
            const auto later = miou::async(lock);
            miou::yield();
            guard.unlock();
            miou::await_exn(later);
        }
    });
}

TEST(mutex, a_waiter_that_is_cancelled_after_the_hand_over_does_not_keep_it) {
    miou::run({.domains = domains()}, [] {
        contended mutex;
        do {
            miou::yield(); // the first tries in vain
            mutex.guard.unlock();
        } while (mutex.guard.try_lock()); // until it was handed to the first
        miou::cancel(mutex.first);
        mutex.expect_that_only_the_second_entered();
    });
}

TEST(mutex, cancellations_race_with_hand_overs_between_domains) {
    miou::run({.domains = test::at_least(1)}, [] {
        miou::mutex guard;
        std::atomic<int> inside = 0;
        for (int i = 0; i < 60; ++i) {
            guard.lock();
            const auto enter = [&] {
                const std::scoped_lock held{guard};
                EXPECT_EQ(++inside, 1);
                --inside;
            };
            const auto victim = miou::call(enter);
            const auto other = miou::call(enter);
            if (i % 2)
                miou::yield();
            guard.unlock();
            miou::cancel(victim);
            miou::await_exn(other);
        }
        EXPECT_TRUE(guard.try_lock());
        guard.unlock();
    });
}

TEST(mutex, an_uncontended_lock_does_not_throw_in_a_cancelled_task) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        bool locked = false;
        const auto p = miou::async([&] {
            try {
                test::forever();
            } catch (const miou::cancelled&) {
            }
            const std::scoped_lock held{guard};
            locked = true;
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_TRUE(locked);
    });
}

TEST(mutex, waiting_in_an_uncancellable_section_ends_with_the_lock) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        bool locked = false;
        guard.lock();
        const auto p = miou::async([&] {
            miou::uncancellable([&] {
                const std::scoped_lock held{guard};
                locked = true;
            });
        });
        miou::yield();
        guard.unlock();
        miou::cancel(p);
        EXPECT_TRUE(locked);
    });
}

TEST(mutex_death_test, destroying_one_that_a_task_waits_for_names_the_task) {
    EXPECT_DEATH(
        miou::run({.domains = domains()},
                  [] {
                      auto doomed = std::make_unique<miou::mutex>();
                      doomed->lock();
                      const auto waiting = miou::async([&] { doomed->lock(); });
                      miou::yield();
                      doomed.reset();
                  }),
        "miou: a mutex was destroyed while task [0-9]+ \\(spawned at [^ ]*mutex_test.cpp:[0-9]+\\) "
        "waited for it");
}

TEST(mutex_death_test, destroying_one_that_a_task_was_woken_for_is_noticed) {
    EXPECT_DEATH(miou::run({.domains = domains()},
                           [] {
                               auto doomed = std::make_unique<miou::mutex>();
                               doomed->lock();
                               const auto waiting = miou::async([&] { doomed->lock(); });
                               miou::yield();
                               doomed->unlock();
                               doomed.reset();
                           }),
                 "miou: a mutex was destroyed while somebody waited for it");
}

} // namespace
