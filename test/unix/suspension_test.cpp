// What docs/suspension.md says about the things that belong to a thread.

#include "support/domains.hpp"
#include "support/sanitized.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <locale.h>
#include <mutex>

namespace {

/// Calls `fn` in two tasks of this domain.
template <class F>
void in_two_tasks(F fn) {
    const auto first = miou::async(fn);
    const auto second = miou::async(fn);
    miou::await_exn(first);
    miou::await_exn(second);
}

/// How many tasks of a domain are inside a section that a `Mutex` protects, at the same time.
template <class Mutex>
int holders_at_once() {
    Mutex guard;
    int inside = 0;
    int most = 0;
    miou::run({.domains = test::domains()}, [&] {
        in_two_tasks([&] {
            const std::scoped_lock held{guard};
            most = std::max(most, ++inside);
            miou::yield();
            --inside;
        });
    });
    return most;
}

TEST(suspension, a_miou_mutex_protects_across_it_and_a_recursive_std_mutex_does_not) {
    EXPECT_EQ(holders_at_once<miou::mutex>(), 1);
#if !TEST_SANITIZED // the thread sanitizer reports this mistake
    EXPECT_EQ(holders_at_once<std::recursive_mutex>(), 2);
#endif
}

TEST(suspension, errno_is_what_another_task_has_left) {
    miou::run({.domains = test::domains()}, [] {
        const auto other = miou::async([] { errno = ENOENT; });
        errno = EPERM;
        miou::await_exn(other);
        EXPECT_NE(errno, EPERM);
    });
}

TEST(suspension, a_locale_of_the_thread_is_seen_by_the_other_tasks) {
    miou::run({.domains = test::domains()}, [] {
        const ::locale_t mine = ::newlocale(LC_ALL_MASK, "C", nullptr);
        const ::locale_t before = ::uselocale(mine);
        EXPECT_EQ(miou::await_exn(miou::async([] { return ::uselocale(nullptr); })), mine);
        ::uselocale(before);
        ::freelocale(mine);
    });
}

thread_local int of_thread = 0;

TEST(suspension, a_thread_local_is_shared_by_the_tasks_of_a_domain_and_keeps_its_address) {
    miou::run({.domains = test::domains()}, [] {
        of_thread = 0;
        in_two_tasks([] {
            int* const before = &of_thread;
            ++of_thread;
            miou::yield();
            EXPECT_EQ(&of_thread, before);
            EXPECT_EQ(of_thread, 2);
        });
    });
}

TEST(suspension, a_lazy_value_may_suspend_where_a_static_must_not) {
    miou::run({.domains = test::domains()}, [] {
        int made = 0;
        auto value = miou::lazy<int>::from_fun([&] {
            miou::yield();
            return ++made;
        });
        in_two_tasks([&] { EXPECT_EQ(value.force(), 1); });
    });
}

/// Uses more stack than a task has.
int on_a_megabyte() {
    volatile char block[1 << 20];
    for (std::size_t i = 0; i < sizeof block; i += 1024)
        block[i] = 1;
    return block[0];
}

TEST(suspension, a_function_that_needs_much_stack_has_it_on_a_worker_thread) {
    miou_unix::run({.domains = test::domains()},
                   [] { EXPECT_EQ(miou_unix::blocking(on_a_megabyte), 1); });
}

} // namespace
