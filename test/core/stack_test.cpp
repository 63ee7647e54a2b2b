// Every stack has a guard page, and is large enough.

#include "miou/miou.hpp"
#include "support/domains.hpp"
#include "support/environment.hpp"
#include "support/parking_lot.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/sizes.hpp"

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

using test::kib;

std::uintptr_t page_size() {
    static const auto size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

/// Whether the page that begins at `address` can be read. It asks the kernel, or an emulator, to
/// take it for a path, so it cannot fault.
bool accessible(std::uintptr_t address) {
    return ::access(reinterpret_cast<const char*>(address), F_OK) == 0 || errno != EFAULT;
}

std::uintptr_t page_of(std::uintptr_t address) {
    return address - address % page_size();
}

/// The address of the first inaccessible page below `address`, or 0 if there is none within
/// `range`.
std::uintptr_t guard_below(std::uintptr_t address, std::size_t range) {
    std::uintptr_t page = page_of(address);
    for (const std::uintptr_t end = page - range; page > end; page -= page_size())
        if (!accessible(page))
            return page;
    return 0;
}

/// Checks that there is a guard page between any two neighbours of `addresses`, and one below all.
void check_guard_pages(std::vector<std::uintptr_t> addresses) {
    constexpr std::size_t range = 300 * kib;
    std::sort(addresses.begin(), addresses.end());
    // Most stacks have their guard page at the same distance: trying that first saves system calls.
    const std::uintptr_t distance = page_of(addresses[0]) - guard_below(addresses[0], range);
    std::uintptr_t below = 0;
    for (const std::uintptr_t address : addresses) {
        ASSERT_TRUE(accessible(page_of(address)));
        std::uintptr_t guarded = page_of(address) - distance;
        if (accessible(guarded))
            guarded = guard_below(address, range);
        ASSERT_NE(guarded, 0u) << "no guard page";
        ASSERT_GT(guarded, below) << "two stacks without a guard page in between";
        below = address;
    }
}

// It is not inlined, so the address is in the caller's stack.
[[gnu::noinline]] std::uintptr_t here() {
    return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

/// Runs `fn` in a task on every domain, all at the same time.
template <class F>
void on_every_domain(F fn) {
    std::vector<miou::promise<void>> tasks;
    tasks.push_back(miou::async([&] { fn(); }));
    for (const miou::domain_uid domain : miou::domain::all())
        tasks.push_back(miou::call({.pin = domain}, [&] { fn(); }));
    for (const auto& task : tasks)
        miou::await_exn(task);
}

/// Tasks that are parked at the same time, each on a stack of its own.
class crowd {
public:
    explicit crowd(int size) {
        for (int i = 0; i < size; ++i)
            tasks_.push_back(miou::async([this] {
                addresses_.push_back(here());
                lot_.park();
            }));
        while (lot_.parked() + failed() < tasks_.size())
            miou::yield();
    }
    const std::vector<std::uintptr_t>& addresses() const { return addresses_; }
    /// How many got no stack.
    std::size_t failed() const {
        return static_cast<std::size_t>(std::ranges::count(
            tasks_, miou::promise_state::exited, [](const auto& each) { return each.state(); }));
    }
    /// What they say about that.
    std::set<std::string> disperse() {
        lot_.let_go();
        std::set<std::string> messages;
        for (const auto& task : tasks_)
            try {
                miou::await_exn(task);
            } catch (const miou::no_stack& failure) {
                messages.insert(failure.what());
            }
        return messages;
    }

private:
    test::parking_lot lot_;
    std::vector<std::uintptr_t> addresses_;
    std::vector<miou::promise<void>> tasks_;
};

std::size_t most_mappings() {
    std::size_t most = 0;
    std::ifstream{"/proc/sys/vm/max_map_count"} >> most;
    return most;
}

TEST(stack, each_of_many_tasks_has_a_guard_page_of_its_own_or_fails_when_no_mapping_is_left) {
    miou::run({.domains = test::domains()}, [] {
        const int count = test::most_tasks / static_cast<int>(miou::domain::available() + 1);
        std::atomic<int> as_promised = 0;
        on_every_domain([&] {
            crowd mine{count};
            check_guard_pages(mine.addresses());
            const std::size_t failed = mine.failed();
            if (failed > 0) {
                EXPECT_GT(test::mappings(), most_mappings() / 8 * 7);
            }
            EXPECT_EQ(mine.addresses().size() + failed, static_cast<std::size_t>(count));
            for (const std::string& message : mine.disperse())
                EXPECT_NE(message.find("guard page"), message.npos) << message;
            ++as_promised;
        });
        EXPECT_EQ(as_promised, static_cast<int>(miou::domain::available()) + 1);
    });
}

// The sanitizers allow too few fibers, and 32 bits too few addresses.
#if !TEST_SANITIZED && __SIZEOF_POINTER__ == 8

/// More tasks than the system allows guard pages, where they need mappings.
class guards_by_mprotect : public testing::Test {
protected:
    void SetUp() override {
        if (most_mappings() > 2 * more_tasks)
            GTEST_SKIP() << "vm.max_map_count allows more";
    }
    static constexpr int more_tasks = 40'000;

private:
    const test::environment_variable forced_{"MIOU_MPROTECT", "1"};
};

TEST_F(guards_by_mprotect, tasks_without_one_fail_with_an_error_that_says_what_to_raise) {
    miou::run({.domains = 0}, [] {
        crowd some{more_tasks};
        EXPECT_GT(some.failed(), 0u);
        const std::set<std::string> messages = some.disperse();
        ASSERT_EQ(messages.size(), 1u);
        EXPECT_NE(messages.begin()->find("sysctl -w vm.max_map_count="), std::string::npos);
    });
}

/// Mappings of the program, until `left` are left.
class other_mappings {
public:
    explicit other_mappings(std::size_t left)
        : size_{(most_mappings() - left - test::mappings()) * page_size()}
        , begin_{static_cast<std::byte*>(::mmap(
              nullptr, size_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))} {
        for (std::size_t page = 0; page < size_; page += 2 * page_size())
            EXPECT_EQ(::mprotect(begin_ + page, page_size(), PROT_NONE), 0);
    }
    ~other_mappings() { ::munmap(begin_, size_); }
    other_mappings(const other_mappings&) = delete;
    other_mappings& operator=(const other_mappings&) = delete;

private:
    std::size_t size_;
    std::byte* begin_;
};

TEST_F(guards_by_mprotect, are_as_many_as_the_mappings_of_the_program_leave_room_for) {
    const other_mappings others{2'000};
    miou::run({.domains = 0}, [] {
        crowd some{2'000};
        EXPECT_GT(some.addresses().size(), 900u);
        EXPECT_GT(some.failed(), 900u);
        check_guard_pages(some.addresses());
        some.disperse();
    });
}

TEST_F(guards_by_mprotect, never_take_the_last_mappings_so_threads_start_and_the_heap_grows) {
    miou::run({.domains = 0}, [] {
        crowd some{more_tasks};
        EXPECT_GT(some.failed(), 0u);
        std::vector<std::thread> threads;
        for (int i = 0; i < 100; ++i)
            threads.emplace_back([] { ::operator delete(::operator new(64 << 20)); });
        for (std::thread& each : threads)
            each.join();
        some.disperse();
    });
}

TEST_F(guards_by_mprotect, further_tasks_run_without_one_when_the_run_asks_for_that) {
    miou::run({.domains = test::domains(), .unguarded = true}, [] {
        const int count = more_tasks / static_cast<int>(miou::domain::available() + 1);
        std::atomic<int> started = 0;
        on_every_domain([&] {
            crowd mine{count};
            check_guard_pages({mine.addresses().begin(), mine.addresses().begin() + 1'000});
            started += static_cast<int>(mine.addresses().size());
            EXPECT_TRUE(mine.disperse().empty());
        });
        EXPECT_EQ(started, count * static_cast<int>(miou::domain::available() + 1));
    });
}

TEST_F(guards_by_mprotect, are_given_back_with_the_run) {
    for (int runs = 0; runs < 3; ++runs)
        miou::run({.domains = test::domains()}, [] {
            crowd some{15'000};
            EXPECT_EQ(some.failed(), 0u);
            some.disperse();
        });
}

#endif

TEST(stack, guard_pages_stay_when_the_memory_of_stacks_is_given_back_and_reused) {
    miou::run({.domains = 0}, [] {
        std::vector<std::uintptr_t> addresses;
        for (int round = 0; round < 3; ++round) {
            crowd some{test::scaled(1'500, 700)};
            addresses.insert(addresses.end(), some.addresses().begin(), some.addresses().end());
            some.disperse();
        }
        std::sort(addresses.begin(), addresses.end());
        addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
        check_guard_pages(addresses);
    });
}

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

TEST(stack, a_frame_of_100_kib_fits_and_no_other_task_touches_it) {
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

} // namespace
