// The memory of stacks is given back, and a lack of it is never fatal.

#include "miou/miou.hpp"
#include "support/address_space.hpp"
#include "support/domains.hpp"
#include "support/parking_lot.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/sizes.hpp"

#include <gtest/gtest.h>

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace {

using test::kib;

/// A system without events. It sleeps until it is interrupted, and says when it is about to sleep.
class idle_watch {
public:
    miou::events events() {
        auto shared = shared_;
        return {.select =
                    [shared](bool block, std::span<const miou::syscall_uid>) {
                        std::unique_lock held{shared->guard};
                        if (block && shared->told != nullptr) {
                            std::exchange(shared->told, nullptr)->signal();
                            return std::vector<miou::signal>{};
                        }
                        shared->changed.wait(held, [&] { return !block || shared->interrupted; });
                        shared->interrupted = false;
                        return std::vector<miou::signal>{};
                    },
                .interrupt =
                    [shared] {
                        const std::scoped_lock held{shared->guard};
                        shared->interrupted = true;
                        shared->changed.notify_one();
                    },
                .finaliser = {}};
    }
    /// Blocks the calling thread until the domain has gone to sleep.
    void wait() {
        miou::trigger idle;
        {
            const std::scoped_lock held{shared_->guard};
            shared_->told = &idle;
        }
        if (const std::exception_ptr stop = idle.await())
            std::rethrow_exception(stop);
    }

private:
    struct state {
        std::mutex guard;
        std::condition_variable changed;
        bool interrupted = false;
        miou::trigger* told = nullptr;
    };
    std::shared_ptr<state> shared_ = std::make_shared<state>();
};

TEST(stack, memory_is_given_back_when_the_domain_idles_after_a_storm) {
    constexpr std::size_t count = test::scaled(5'000, 700);
    constexpr std::size_t megabyte = 1024 * kib;
    std::vector<idle_watch> watches(static_cast<std::size_t>(test::domains()) + 1);
    const auto domain_of = [&](miou::domain_uid d) -> idle_watch& {
        return watches[static_cast<std::size_t>(d.to_int())];
    };
    const auto storm = [&] {
        std::size_t peak = 0;
        {
            test::parking_lot lot;
            std::vector<miou::promise<void>> tasks;
            for (std::size_t i = 0; i < count; ++i)
                tasks.push_back(miou::async([&] { lot.park(); }));
            while (lot.parked() < tasks.size())
                miou::yield();
            peak = test::resident_bytes();
            lot.let_go();
            for (const auto& task : tasks)
                miou::await_exn(task);
        }
        domain_of(miou::domain::self()).wait();
        return std::pair{peak, test::resident_bytes()};
    };
    miou::run({.domains = test::domains(),
               .events = [&](miou::domain_uid d) { return domain_of(d).events(); }},
              [&] {
                  std::vector<std::size_t> rests;
                  for (int round = 0; round < 5; ++round) {
                      const bool away = round % 2 != 0 && miou::domain::available() > 0;
                      const auto child = away ? miou::call(storm) : miou::async(storm);
                      const auto [peak, rest] = miou::await_exn(child);
                      // Shadow memory grows meanwhile, and is not given back.
                      if (!TEST_SANITIZED) {
                          EXPECT_LT(rest + count * 3 * kib, peak + megabyte);
                      }
                      rests.push_back(rest);
                  }
                  // After the second round every domain has had its first storm.
                  for (std::size_t i = 2; i < rests.size(); ++i)
                      EXPECT_LT(rests[i], rests[1] + test::scaled(16, 64) * megabyte) << i;
              });
}

// --- No memory for a stack -----------------------------------------------------------------------

// The sanitizers' own allocators end the process when they get no memory.
#if !TEST_SANITIZED

/// Reserves memory for the heap, so that only stacks lack memory.
void keep_heap(std::size_t bytes) {
    if (bytes == 0)
        return;
    ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
    ::mallopt(M_MMAP_MAX, 0);
    void* volatile room = std::malloc(bytes);
    std::free(room);
}

struct counts {
    int started = 0;
    int unwound = 0;
    int succeeded = 0;
    int without_stack = 0;
    int otherwise = 0;
    bool operator==(const counts&) const = default;
};

void classify(const miou::result<void>& outcome, counts& seen) {
    if (outcome.has_value()) {
        ++seen.succeeded;
        return;
    }
    try {
        std::rethrow_exception(outcome.error());
    } catch (const miou::no_stack& failure) {
        seen.without_stack += failure.error() != 0;
    } catch (...) {
        ++seen.otherwise;
    }
}

/// Parks more tasks than there is memory for stacks, then lets them go or cancels them. Ends the
/// process, with status 0 if everything went as it should.
[[noreturn]] void park_too_many(int count, std::size_t heap, bool cancel_them) {
    counts seen;
    int after = 0;
    miou::run({.domains = 0}, [&] {
        test::parking_lot lot;
        lot.reserve(static_cast<std::size_t>(count));
        std::vector<miou::promise<void>> tasks;
        tasks.reserve(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i)
            tasks.push_back(miou::async([&] {
                const miou::at_end unwinding{[&] { ++seen.unwound; }};
                ++seen.started;
                lot.park();
            }));
        keep_heap(heap);
        test::limit_address_space(32 * 1024 * kib);
        const auto settled = [&] {
            return std::all_of(tasks.begin(), tasks.end(), [](const auto& each) {
                return each.state() != miou::promise_state::running;
            });
        };
        // Every task has had its turn once all tasks without a stack have failed.
        for (int turns = 0; turns < 3 * count && !settled(); ++turns)
            miou::yield();
        if (cancel_them) {
            for (auto& task : tasks)
                if (task.state() == miou::promise_state::running)
                    miou::cancel(task);
        } else {
            lot.let_go();
        }
        for (const auto& task : tasks)
            classify(miou::await(task), seen);
        // The memory that was given back serves another task.
        const auto another = miou::async([] { return 17; });
        after = miou::await_exn(another);
    });
    const counts expected =
        cancel_them ? counts{seen.started, seen.started, 0, count - seen.started, seen.started}
                    : counts{seen.started, seen.started, seen.started, count - seen.started, 0};
    std::fprintf(stderr, "%d of %d started, %d unwound, %d succeeded, %d without stack, %d other\n",
                 seen.started, count, seen.unwound, seen.succeeded, seen.without_stack,
                 seen.otherwise);
    const bool some_of_each = seen.started > 0 && seen.without_stack > 0;
    std::_Exit(after == 17 && some_of_each && seen == expected ? 0 : 1);
}

/// The same on another domain.
[[noreturn]] void call_too_many() {
    constexpr std::size_t count = 2'000;
    counts seen;
    std::atomic<int> started = 0;
    miou::run({.domains = 1}, [&] {
        std::vector<miou::trigger> triggers(count);
        std::vector<miou::promise<void>> tasks;
        tasks.reserve(count);
        keep_heap(8 * 1024 * kib);
        test::limit_address_space(32 * 1024 * kib);
        for (miou::trigger& each : triggers)
            tasks.push_back(miou::call([&] {
                ++started;
                if (const std::exception_ptr stop = each.await())
                    std::rethrow_exception(stop);
            }));
        const auto settled = [&] {
            return started + std::count_if(tasks.begin(), tasks.end(),
                                           [](const auto& task) {
                                               return task.state() != miou::promise_state::running;
                                           }) ==
                   count;
        };
        while (!settled())
            miou::yield();
        for (miou::trigger& each : triggers)
            each.signal();
        for (const auto& task : tasks)
            classify(miou::await(task), seen);
    });
    const bool some_of_each = seen.succeeded > 0 && seen.without_stack > 0;
    const bool as_expected = seen.succeeded == started && seen.otherwise == 0;
    std::_Exit(some_of_each && as_expected ? 0 : 1);
}

using stack_shortage_death_test = test::fresh_process;

TEST_F(stack_shortage_death_test, tasks_without_a_stack_fail_and_the_others_are_unharmed) {
    EXPECT_EXIT(park_too_many(2'000, 8 * 1024 * kib, false), testing::ExitedWithCode(0), "");
}

TEST_F(stack_shortage_death_test, the_others_can_still_be_cancelled) {
    EXPECT_EXIT(park_too_many(2'000, 8 * 1024 * kib, true), testing::ExitedWithCode(0), "");
}

TEST_F(stack_shortage_death_test, a_called_task_without_a_stack_fails_as_well) {
    EXPECT_EXIT(call_too_many(), testing::ExitedWithCode(0), "");
}

TEST_F(stack_shortage_death_test, stacks_leave_enough_memory_for_the_exceptions_of_failing_tasks) {
    EXPECT_EXIT(park_too_many(20'000, 0, false), testing::ExitedWithCode(0), "");
}

#endif

} // namespace
