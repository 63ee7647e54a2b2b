// Every stack has a guard page, and is large enough.

#include "miou/miou.hpp"
#include "support/domains.hpp"
#include "support/parking_lot.hpp"
#include "support/sanitized.hpp"
#include "support/sizes.hpp"

#include <gtest/gtest.h>

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

namespace {

using test::kib;

std::uintptr_t page_size() {
    static const auto size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

/// Whether the byte at `address` can be read. It asks the kernel, so it cannot fault.
bool accessible(std::uintptr_t address) {
    char byte = 0;
    const iovec local{&byte, 1};
    const iovec remote{reinterpret_cast<void*>(address), 1};
    return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == 1;
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

TEST(stack, every_one_of_a_hundred_thousand_stacks_has_a_guard_page_of_its_own) {
    miou::run({.domains = test::domains()}, [] {
        const auto domains = static_cast<int>(miou::domain::available()) + 1;
        const int count = test::scaled(100'000, 2'000) / domains;
        std::atomic<int> guarded_stacks = 0;
        on_every_domain([&] {
            test::parking_lot lot;
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

TEST(stack, guard_pages_stay_when_the_memory_of_stacks_is_given_back_and_reused) {
    miou::run({.domains = 0}, [] {
        std::vector<std::uintptr_t> addresses;
        for (int round = 0; round < 3; ++round) {
            test::parking_lot lot;
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
