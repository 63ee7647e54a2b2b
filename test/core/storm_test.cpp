// Storms of cancellations while tasks wait in every way there is: nothing is lost, nothing is
// handed over twice, and nothing hangs.

#include "miou/miou.hpp"
#include "support/counted.hpp"
#include "support/domains.hpp"
#include "support/sanitized.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr int rounds = test::scaled(30, 10);
constexpr int victims = 12; // tasks at the same time, on each domain

void wait_for(miou::trigger& t) {
    if (const std::exception_ptr stop = t.await())
        std::rethrow_exception(stop);
}

void yield_times(unsigned n) {
    for (unsigned i = 0; i < n; ++i)
        miou::yield();
}

/// Runs `fn(domain)` in a task on every domain, all at the same time, in a run of its own.
template <class F>
void on_every_domain(F fn) {
    miou::run({.domains = test::domains()}, [&] {
        std::vector<miou::promise<void>> tasks;
        tasks.push_back(miou::async([&] { fn(0u); }));
        for (const miou::domain_uid domain : miou::domain::all())
            tasks.push_back(miou::call(
                {.pin = domain}, [&fn, domain] { fn(static_cast<unsigned>(domain.to_int())); }));
        for (const auto& task : tasks)
            miou::await_exn(task);
    });
}

/// Spawns tasks that run `fn`, lets them run for a moment, and cancels them in a random order: one
/// half of them one by one, the other half by cancelling their parent. Repeats that `times` times.
template <class F>
void storm(unsigned seed, F fn, int times = rounds) {
    std::minstd_rand random{seed + 1};
    for (int round = 0; round < times; ++round) {
        const auto half = miou::async([&] {
            std::vector<miou::promise<void>> tasks;
            for (int i = 0; i < victims / 2; ++i)
                tasks.push_back(miou::async([&] { fn(); }));
            for (const auto& task : tasks)
                miou::await_exn(task);
        });
        std::vector<miou::promise<void>> others;
        for (int i = 0; i < victims / 2; ++i)
            others.push_back(miou::async([&] { fn(); }));
        std::shuffle(others.begin(), others.end(), random);
        yield_times(static_cast<unsigned>(random() % 6));
        for (std::size_t i = 0; i < others.size(); ++i) {
            if (i == others.size() / 2)
                miou::cancel(half);
            miou::cancel(others[i]);
            yield_times(static_cast<unsigned>(random() % 2));
        }
    }
}

/// A thread that calls `fn` at least once, and repeatedly until this is destroyed.
template <class F>
class foreign_thread {
public:
    explicit foreign_thread(F fn)
        : thread_{[this, fn = std::move(fn)]() mutable {
            do {
                fn();
                std::this_thread::yield();
            } while (!stop_);
        }} {}
    ~foreign_thread() {
        stop_ = true;
        thread_.join();
    }

private:
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

/// What a mutex protects. It notices if two tasks are inside at the same time.
struct protected_state {
    miou::mutex guard;
    std::atomic<bool> occupied = false;
    long entries = 0; // not atomic, so that the thread sanitizer watches it

    void enter(bool stay) {
        const std::scoped_lock held{guard};
        EXPECT_FALSE(occupied.exchange(true));
        const miou::at_end leaving{[&] { occupied = false; }};
        ++entries;
        if (stay)
            miou::yield();
    }
};

TEST(storm, a_mutex_has_one_owner_at_a_time_and_is_free_in_the_end) {
    protected_state shared;
    std::atomic<long> entered = 0;
    {
        const foreign_thread another{[&] {
            shared.enter(false);
            ++entered;
        }};
        on_every_domain([&](unsigned domain) {
            storm(domain, [&] {
                for (;;)
                    shared.enter(true);
            });
            // The tasks that are not cancelled all get it.
            std::vector<miou::promise<void>> survivors;
            for (int i = 0; i < victims; ++i)
                survivors.push_back(miou::async([&] {
                    shared.enter(true);
                    ++entered;
                }));
            for (const auto& each : survivors)
                miou::await_exn(each);
        });
    }
    EXPECT_TRUE(shared.guard.try_lock());
    shared.guard.unlock();
    EXPECT_FALSE(shared.occupied);
    EXPECT_GE(shared.entries, entered);
}

TEST(storm, cancelled_waiters_of_a_mutex_do_not_reorder_the_others) {
    on_every_domain([](unsigned) {
        for (int round = 0; round < rounds; ++round) {
            miou::mutex guard;
            std::vector<int> order;
            guard.lock();
            std::vector<miou::promise<void>> tasks;
            for (int i = 0; i < victims; ++i)
                tasks.push_back(miou::async([&, i] {
                    const std::scoped_lock held{guard};
                    order.push_back(i);
                    miou::yield();
                }));
            miou::yield();
            for (int i = round % 3; i < victims; i += 3)
                miou::cancel(tasks[static_cast<std::size_t>(i)]);
            guard.unlock();
            std::vector<int> expected;
            for (int i = 0; i < victims; ++i)
                if (i % 3 != round % 3) {
                    expected.push_back(i);
                    miou::await_exn(tasks[static_cast<std::size_t>(i)]);
                }
            EXPECT_EQ(order, expected);
        }
    });
}

TEST(storm, a_signal_of_a_condition_that_hits_a_cancelled_task_goes_to_another) {
    miou::mutex guard;
    miou::condition changed;
    long tokens = 0;
    long taken = 0;
    constexpr long total = test::scaled(1'000, 300);
    const auto take_one = [&] {
        std::unique_lock held{guard};
        changed.wait(held, [&] { return tokens > 0 || taken == total; });
        if (taken == total)
            return false;
        --tokens;
        if (++taken == total)
            changed.broadcast();
        return true;
    };
    // Exactly one signal for each token: if one were lost, a token would remain.
    std::thread producer{[&] {
        for (long produced = 0; produced < total; std::this_thread::yield()) {
            const std::scoped_lock held{guard};
            // A few at a time, so that the storm does not end too early.
            for (; tokens < 16 && produced < total; ++produced) {
                ++tokens;
                changed.signal();
            }
        }
    }};
    on_every_domain([&](unsigned domain) {
        const auto survivor = miou::async([&] {
            while (take_one()) {
            }
        });
        storm(domain, [&] {
            while (take_one())
                miou::yield();
        });
        miou::await_exn(survivor);
    });
    producer.join();
    EXPECT_EQ(taken, total);
    EXPECT_EQ(tokens, 0);
}

TEST(storm, a_broadcast_reaches_every_waiter_that_is_left) {
    miou::mutex guard;
    miou::condition changed;
    long generation = 0;
    const auto next = [&] {
        std::unique_lock held{guard};
        const long seen = generation;
        changed.wait(held, [&] { return generation != seen; });
    };
    const foreign_thread ticker{[&] {
        const std::scoped_lock held{guard};
        ++generation;
        changed.broadcast();
    }};
    on_every_domain([&](unsigned domain) {
        const auto survivor = miou::async([&] {
            for (int i = 0; i < rounds; ++i)
                next();
        });
        storm(domain, [&] {
            for (;;)
                next();
        });
        miou::await_exn(survivor);
    });
}

TEST(storm, a_wait_for_a_trigger_ends_by_the_signal_or_the_cancellation_and_never_by_both) {
    on_every_domain([](unsigned domain) {
        std::minstd_rand random{domain + 1};
        for (int round = 0; round < rounds; ++round) {
            std::vector<miou::trigger> triggers(victims);
            int started = 0;
            int ended = 0;
            std::thread signaler{[&] {
                for (miou::trigger& each : triggers)
                    each.signal();
            }};
            std::vector<miou::promise<void>> tasks;
            for (miou::trigger& each : triggers)
                tasks.push_back(miou::async([&] {
                    ++started;
                    const std::exception_ptr stop = each.await();
                    EXPECT_TRUE(stop != nullptr || each.is_signaled());
                    ++ended;
                }));
            yield_times(static_cast<unsigned>(random() % 3));
            for (const auto& task : tasks)
                miou::cancel(task);
            signaler.join();
            EXPECT_EQ(started, ended);
            for (miou::trigger& each : triggers) // some were signaled before
                EXPECT_EQ(each.await(), nullptr);
        }
    });
}

TEST(storm, a_trigger_may_be_destroyed_as_soon_as_its_wait_has_ended) {
    on_every_domain([](unsigned) {
        std::atomic<miou::trigger*> next = nullptr;
        const foreign_thread signaler{[&] {
            if (miou::trigger* const each = next.exchange(nullptr))
                each->signal();
        }};
        for (int round = 0; round < 2 * rounds; ++round) {
            const auto mine = std::make_unique<miou::trigger>();
            next = mine.get();
            wait_for(*mine);
        }
    });
}

TEST(storm, a_computation_has_one_outcome_that_reaches_every_waiter_that_is_left) {
    on_every_domain([](unsigned domain) {
        for (int round = 0; round < rounds; ++round) {
            const miou::computation<std::string> result;
            std::atomic<int> completed = 0;
            const auto complete = [&completed, result](const char* by) {
                completed += result.try_return(by);
            };
            std::vector<std::thread> completers;
            for (const char* by : {"first", "second"})
                completers.emplace_back([=] { complete(by); });
            std::vector<miou::promise<std::string>> waiters;
            for (int i = 0; i < victims; ++i)
                waiters.push_back(miou::async([result] { return result.await_exn(); }));
            yield_times((domain + static_cast<unsigned>(round)) % 3);
            for (std::size_t i = 0; i < waiters.size(); i += 2)
                miou::cancel(waiters[i]);
            const std::string outcome = result.await_exn();
            for (std::size_t i = 1; i < waiters.size(); i += 2)
                EXPECT_EQ(miou::await_exn(waiters[i]), outcome);
            complete("too late");
            for (std::thread& each : completers)
                each.join();
            EXPECT_EQ(completed, 1);
            EXPECT_EQ(result.peek()->value(), outcome);
        }
    });
}

TEST(storm, a_computation_that_others_wait_for_survives_the_cancellation_of_all_of_them) {
    const miou::computation<int> slow;
    on_every_domain([&](unsigned domain) {
        storm(domain, [slow] { slow.await_exn(); });
        const auto last = miou::async([slow] { return slow.await_exn(); });
        miou::yield();
        slow.try_return(4);
        EXPECT_EQ(miou::await_exn(last), 4);
    });
}

TEST(storm, a_lazy_is_computed_to_its_end_once_however_many_forcers_are_cancelled) {
    std::atomic<int> computing = 0;
    std::atomic<int> finished = 0;
    std::atomic<bool> may_finish = false;
    auto value = miou::lazy<int>::from_fun([&] {
        EXPECT_EQ(++computing, 1);
        const miou::at_end leaving{[&] { --computing; }};
        while (!may_finish)
            miou::yield();
        ++finished;
        return 9;
    });
    std::atomic<int> storms = test::domains() + 1;
    on_every_domain([&](unsigned domain) {
        // This task waits through the whole storm.
        const auto survivor = miou::async([&] { return value.force(); });
        storm(domain, [&] { EXPECT_EQ(value.force(), 9); });
        if (--storms == 0)
            may_finish = true;
        EXPECT_EQ(miou::await_exn(survivor), 9);
    });
    EXPECT_EQ(finished, 1);
    EXPECT_EQ(value.force(), 9);
}

TEST(storm, a_lazy_whose_forcers_are_all_cancelled_can_still_be_forced) {
    std::atomic<bool> endless = true;
    auto value = miou::lazy<int>::from_fun([&] {
        while (endless)
            miou::yield();
        return 3;
    });
    std::atomic<int> storms = test::domains() + 1;
    on_every_domain([&](unsigned domain) {
        storm(domain, [&] { value.force(); });
        if (--storms == 0)
            endless = false;
        EXPECT_EQ(value.force(), 3);
    });
}

TEST(storm, orphans_are_all_unwound_with_the_tasks_that_own_them) {
    std::atomic<int> alive = 0;
    on_every_domain([&](unsigned domain) {
        const auto collect = [&] {
            miou::orphans<int> mine;
            const auto child = [&alive](int i) {
                const test::counted here{alive};
                if (i % 3 == 0) {
                    miou::trigger never;
                    wait_for(never);
                }
                yield_times(static_cast<unsigned>(i));
                return i;
            };
            for (int i = 0; i < 6; ++i)
                if (i % 2 == 0 || miou::domain::available() < 2)
                    miou::async(mine, [=] { return child(i); });
                else
                    miou::call(mine, [=] { return child(i); });
            while (miou::get(mine)) {
            }
        };
        storm(domain, collect, rounds / 3);
    });
    EXPECT_EQ(alive, 0);
}

TEST(storm, whole_trees_over_all_domains_are_unwound_while_they_grow) {
    std::atomic<int> alive = 0;
    struct tree {
        std::atomic<int>& alive;
        void grow(int depth) const {
            const test::counted here{alive};
            std::vector<miou::promise<void>> branches;
            for (int i = 0; depth > 0 && i < 3; ++i)
                if (i == 0 && miou::domain::available() >= 2)
                    branches.push_back(miou::call([this, depth] { grow(depth - 1); }));
                else
                    branches.push_back(miou::async([this, depth] { grow(depth - 1); }));
            miou::trigger never;
            wait_for(never);
        }
    };
    const tree shared{alive};
    on_every_domain([&](unsigned domain) {
        for (int round = 0; round < rounds; ++round) {
            const auto root = miou::async([&] { shared.grow(4); });
            yield_times((domain + static_cast<unsigned>(round)) % 8);
            miou::cancel(root);
        }
    });
    EXPECT_EQ(alive, 0);
}

} // namespace
