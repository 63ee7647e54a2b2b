// Stacks: each one guarded, large enough, given back, and never fatal to be without.

#include "miou/miou.hpp"
#include "support/domains.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"

#include <gtest/gtest.h>

#include <malloc.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t kib = 1024;

std::uintptr_t page_size() {
    static const auto size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

/// Whether the byte at `address` can be read; asks the kernel, which does not fault.
bool accessible(std::uintptr_t address) {
    char byte = 0;
    const iovec local{&byte, 1};
    const iovec remote{reinterpret_cast<void*>(address), 1};
    return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == 1;
}

std::uintptr_t page_of(std::uintptr_t address) {
    return address - address % page_size();
}

/// The address of the first inaccessible page below `address`; null if there is none within
/// `range`.
std::uintptr_t guard_below(std::uintptr_t address, std::size_t range) {
    std::uintptr_t page = page_of(address);
    for (const std::uintptr_t end = page - range; page > end; page -= page_size())
        if (!accessible(page))
            return page;
    return 0;
}

/// Checks that there is one below each of `addresses`, and above the next lower one of them.
void check_guard_pages(std::vector<std::uintptr_t> addresses) {
    constexpr std::size_t range = 300 * kib;
    std::sort(addresses.begin(), addresses.end());
    // As many pages below as the first one has its guard page, most have theirs: a guess that saves
    // system calls.
    const std::uintptr_t distance = page_of(addresses[0]) - guard_below(addresses[0], range);
    std::uintptr_t below = 0;
    for (const std::uintptr_t address : addresses) {
        std::uintptr_t guarded = page_of(address) - distance;
        if (accessible(guarded))
            guarded = guard_below(address, range);
        ASSERT_NE(guarded, 0u) << "no guard page";
        ASSERT_GT(guarded, below) << "two stacks without a guard page in between";
        below = address;
    }
}

// Not inlined, so that the address is one of the caller's stack.
[[gnu::noinline]] std::uintptr_t here() {
    return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

/// Runs `fn` in a task on every domain, all at once.
template <class F>
void on_every_domain(F fn) {
    std::vector<miou::promise<void>> tasks;
    tasks.push_back(miou::async([&] { fn(); }));
    for (const miou::domain_uid domain : miou::domain::all())
        tasks.push_back(miou::call({.pin = domain}, [&] { fn(); }));
    for (const auto& task : tasks)
        miou::await_exn(task);
}

/// Where a number of tasks of one domain park until all are there and they are let go.
class parking_lot {
public:
    void reserve(std::size_t tasks) { triggers_.reserve(tasks); }
    void park() {
        ++parked_;
        miou::trigger mine;
        triggers_.push_back(&mine);
        if (const std::exception_ptr stop = mine.await())
            std::rethrow_exception(stop);
    }
    std::size_t parked() const { return parked_; }
    void let_go() {
        for (miou::trigger* each : triggers_)
            each->signal();
        triggers_.clear();
    }

private:
    std::size_t parked_ = 0;
    std::vector<miou::trigger*> triggers_;
};

TEST(stack, every_one_of_a_hundred_thousand_stacks_has_a_guard_page_of_its_own) {
    miou::run({.domains = test::domains()}, [] {
        const auto domains = static_cast<int>(miou::domain::available()) + 1;
        const int count = test::scaled(100'000, 2'000) / domains;
        std::atomic<int> guarded_stacks = 0;
        on_every_domain([&] {
            parking_lot lot;
            std::vector<std::uintptr_t> mine;
            std::vector<miou::promise<void>> tasks;
            for (int i = 0; i < count; ++i)
                tasks.push_back(miou::async([&] {
                    mine.push_back(here());
                    lot.park();
                }));
            while (lot.parked() < tasks.size())
                miou::yield();
            check_guard_pages(mine);
            lot.let_go();
            for (const auto& task : tasks)
                miou::await_exn(task);
            guarded_stacks += static_cast<int>(mine.size());
        });
        EXPECT_EQ(guarded_stacks, count * domains);
    });
}

TEST(stack, the_guard_pages_stay_when_the_memory_of_stacks_was_given_back_and_is_reused) {
    miou::run({.domains = 0}, [] {
        std::vector<std::uintptr_t> addresses;
        for (int round = 0; round < 3; ++round) {
            parking_lot lot;
            std::vector<miou::promise<void>> tasks;
            for (int i = 0; i < test::scaled(1'500, 700); ++i)
                tasks.push_back(miou::async([&] {
                    addresses.push_back(here());
                    lot.park();
                }));
            while (lot.parked() < tasks.size())
                miou::yield();
            lot.let_go();
            for (const auto& task : tasks)
                miou::await_exn(task);
        }
        std::sort(addresses.begin(), addresses.end());
        addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
        check_guard_pages(addresses);
    });
}

// --- Overflow ------------------------------------------------------------------------------------

[[gnu::noinline]] int recurse(volatile int* last, int depth) {
    volatile int mine[16] = {depth, *last};
    if (depth == 0)
        return mine[1];
    return recurse(mine, depth - 1) + mine[0];
}

/// Writes to the far end of a frame of `size` bytes only.
[[gnu::noinline]] int far_end_of_a_frame(std::size_t size) {
    auto* const frame = static_cast<volatile char*>(__builtin_alloca(size));
    frame[0] = 1;
    return frame[0];
}

[[gnu::noinline]] int far_end_of_an_array(std::size_t begin) {
    volatile char frame[700 * kib];
    frame[begin] = 1;
    return frame[begin];
}

/// Runs `fn` in a task that has the stacks of others, parked, right below its own.
template <class F>
void run_above_others(F fn) {
    miou::run({.domains = 0}, [&] {
        parking_lot lot;
        std::vector<miou::promise<void>> tasks;
        for (int i = 0; i < 16; ++i)
            tasks.push_back(miou::async([&] { lot.park(); }));
        tasks.push_back(miou::async([&] { fn(); }));
        miou::await_exn(tasks.back());
    });
}

TEST(stack_death_test, endless_recursion_runs_into_the_guard_page) {
    volatile int start = 1;
    EXPECT_DEATH(run_above_others([&] { start = recurse(&start, 1 << 30); }), "");
}

TEST(stack_death_test, a_large_frame_does_not_step_over_the_guard_page) {
    volatile std::size_t size = 700 * kib;
    volatile std::size_t begin = 0;
    EXPECT_DEATH(run_above_others([&] { far_end_of_a_frame(size); }), "");
    EXPECT_DEATH(run_above_others([&] { far_end_of_an_array(begin); }), "");
}

TEST(stack_death_test, nor_does_one_on_another_domain) {
    volatile std::size_t size = 700 * kib;
    EXPECT_DEATH(miou::run({.domains = 1},
                           [&] {
                               miou::await_exn(miou::call(
                                   [&] { run_above_others([&] { far_end_of_a_frame(size); }); }));
                           }),
                 "");
}

// --- Size ----------------------------------------------------------------------------------------

[[gnu::noinline]] bool fill_and_verify(unsigned char seed) {
    std::array<volatile unsigned char, 100 * kib> frame;
    for (std::size_t i = 0; i < frame.size(); ++i)
        frame[i] = static_cast<unsigned char>(i + seed);
    miou::yield();
    for (std::size_t i = 0; i < frame.size(); ++i)
        if (frame[i] != static_cast<unsigned char>(i + seed))
            return false;
    return true;
}

TEST(stack, a_frame_of_100_kib_fits_and_is_nobody_elses) {
    miou::run({.domains = test::domains()}, [] {
        on_every_domain([] {
            std::vector<miou::promise<bool>> tasks;
            for (int i = 0; i < 32; ++i)
                tasks.push_back(
                    miou::async([i] { return fill_and_verify(static_cast<unsigned char>(i)); }));
            for (const auto& task : tasks)
                EXPECT_TRUE(miou::await_exn(task));
        });
    });
}

// --- Memory --------------------------------------------------------------------------------------

/// A system that finds nothing, sleeps until it is interrupted, and tells when it is about to.
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
    /// Waits until the domain has had nothing to do.
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

TEST(stack, memory_goes_back_when_the_domain_idles_after_a_storm) {
    constexpr std::size_t count = test::scaled(20'000, 700);
    constexpr std::size_t megabyte = 1024 * kib;
    std::vector<idle_watch> watches(static_cast<std::size_t>(test::domains()) + 1);
    const auto domain_of = [&](miou::domain_uid d) -> idle_watch& {
        return watches[static_cast<std::size_t>(d.to_int())];
    };
    const auto storm = [&] {
        std::size_t peak = 0;
        {
            parking_lot lot;
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
                      // Shadow memory does not go back, and grows meanwhile.
                      if (!TEST_SANITIZED) {
                          EXPECT_LT(rest + count * 3 * kib, peak + megabyte);
                      }
                      rests.push_back(rest);
                  }
                  // By the second round each kind of domain has had its first storm.
                  for (std::size_t i = 2; i < rests.size(); ++i)
                      EXPECT_LT(rests[i], rests[1] + test::scaled(16, 64) * megabyte) << i;
              });
}

// --- No memory for a stack -----------------------------------------------------------------------

// The sanitizers' own allocators end the process when they get no memory.
#if !TEST_SANITIZED

/// From now on the process may have so much more address space, and no more.
void limit_address_space(std::size_t more) {
    std::size_t pages = 0;
    std::FILE* const statm = std::fopen("/proc/self/statm", "r");
    if (statm == nullptr || std::fscanf(statm, "%zu", &pages) != 1)
        std::_Exit(3);
    std::fclose(statm);
    const rlimit limit{pages * page_size() + more, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_AS, &limit) != 0)
        std::_Exit(4);
}

/// Leaves the heap room of its own: what is short are stacks.
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

/// Parks so many tasks that there is no memory for all the stacks; then lets them go. Ends the
/// process: 0 if all went as it should.
[[noreturn]] void park_too_many(int count, std::size_t heap, bool cancel_them) {
    counts seen;
    int after = 0;
    miou::run({.domains = 0}, [&] {
        parking_lot lot;
        lot.reserve(static_cast<std::size_t>(count));
        std::vector<miou::promise<void>> tasks;
        tasks.reserve(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i)
            tasks.push_back(miou::async([&] {
                struct sentinel {
                    counts& in;
                    ~sentinel() { ++in.unwound; }
                } const sentinel{seen};
                ++seen.started;
                lot.park();
            }));
        keep_heap(heap);
        limit_address_space(32 * 1024 * kib);
        const auto settled = [&] {
            return std::all_of(tasks.begin(), tasks.end(), [](const auto& each) {
                return each.state() != miou::promise_state::running;
            });
        };
        // All have had their turn once those that found no stack have failed.
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
        // What was given back serves others.
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
        limit_address_space(32 * 1024 * kib);
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

/// Each in a process that begins afresh, so that it does not depend on the heap of other tests, and
/// that has one heap only: each further one has address space in reserve.
class stack_shortage_death_test : public testing::Test {
protected:
    void SetUp() override {
        testing::FLAGS_gtest_death_test_style = "threadsafe";
        ::setenv("MALLOC_ARENA_MAX", "1", 1);
    }
    void TearDown() override {
        testing::FLAGS_gtest_death_test_style = "fast";
        ::unsetenv("MALLOC_ARENA_MAX");
    }
};

TEST_F(stack_shortage_death_test, tasks_without_a_stack_fail_and_the_others_are_unharmed) {
    EXPECT_EXIT(park_too_many(2'000, 8 * 1024 * kib, false), testing::ExitedWithCode(0), "");
}

TEST_F(stack_shortage_death_test, the_others_can_still_be_cancelled) {
    EXPECT_EXIT(park_too_many(2'000, 8 * 1024 * kib, true), testing::ExitedWithCode(0), "");
}

TEST_F(stack_shortage_death_test, a_called_task_without_a_stack_fails_as_well) {
    EXPECT_EXIT(call_too_many(), testing::ExitedWithCode(0), "");
}

TEST_F(stack_shortage_death_test,
       stacks_leave_enough_memory_for_the_exceptions_of_those_that_fail) {
    EXPECT_EXIT(park_too_many(20'000, 0, false), testing::ExitedWithCode(0), "");
}

#endif

} // namespace
