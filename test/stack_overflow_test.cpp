// What happens to a task that needs more stack than it has.

#include "miou/miou.hpp"
#include "support/parking_lot.hpp"
#include "support/sanitized.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kib = 1024;

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
        test::parking_lot lot;
        std::vector<miou::promise<void>> tasks;
        for (int i = 0; i < 16; ++i)
            tasks.push_back(miou::async([&] { lot.park(); }));
        tasks.push_back(miou::async([&] { fn(); }));
        miou::await_exn(tasks.back());
    });
}

/// What is said of an overflow of a task that this file spawned.
#if TEST_SANITIZED
constexpr const char* report = "stack-overflow|SEGV"; // the sanitizer's own
#else
constexpr const char* report =
    "miou: stack overflow in task [0-9]+ \\(spawned at [^ ]*stack_overflow_test.cpp:[0-9]+\\)\n";
#endif

TEST(stack_overflow_death_test, endless_recursion_runs_into_the_guard_page_and_the_task_is_named) {
    volatile int start = 1;
    EXPECT_DEATH(run_above_others([&] { start = recurse(&start, 1 << 30); }), report);
}

TEST(stack_overflow_death_test, a_large_frame_does_not_step_over_the_guard_page) {
    volatile std::size_t size = 700 * kib;
    volatile std::size_t begin = 0;
    EXPECT_DEATH(run_above_others([&] { far_end_of_a_frame(size); }), report);
    EXPECT_DEATH(run_above_others([&] { far_end_of_an_array(begin); }), report);
}

TEST(stack_overflow_death_test, nor_does_one_on_another_domain) {
    volatile std::size_t size = 700 * kib;
    EXPECT_DEATH(miou::run({.domains = 1},
                           [&] {
                               const auto there = miou::call([&] { far_end_of_a_frame(size); });
                               miou::await_exn(there);
                           }),
                 report);
}

// --- The handler of SIGSEGV ----------------------------------------------------------------------

// The sanitizers have one of their own.
#if !TEST_SANITIZED

void overflow() {
    volatile std::size_t size = 700 * kib;
    far_end_of_a_frame(size);
}

void write_to_null() {
    volatile int* volatile nowhere = nullptr;
    *nowhere = 1;
}

/// Runs `fn` in the root task.
template <class F>
void run(F fn) {
    miou::run({.domains = 0}, [&] { fn(); });
}

void handle_segv_by(void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_ONSTACK;
    ::sigaction(SIGSEGV, &action, nullptr);
}

struct sigaction segv_action() {
    struct sigaction found {};
    ::sigaction(SIGSEGV, nullptr, &found);
    return found;
}

stack_t alternate_stack() {
    stack_t found{};
    ::sigaltstack(nullptr, &found);
    return found;
}

const testing::KilledBySignal killed_by_segv{SIGSEGV};

TEST(stack_overflow_death_test, the_process_dies_as_it_would_without_the_report) {
    EXPECT_EXIT(run(&overflow), killed_by_segv, std::string{"^"} + report + "$");
}

TEST(stack_overflow_death_test, other_faults_are_not_taken_for_an_overflow) {
    EXPECT_EXIT(run(&write_to_null), killed_by_segv, "^$");
    EXPECT_EXIT(run([] { ::raise(SIGSEGV); }), killed_by_segv, "^$");
}

TEST(stack_overflow_death_test, the_handler_that_was_there_before_goes_on) {
    const auto handled = [](auto fault) {
        handle_segv_by([](int) {
            static_cast<void>(::write(STDERR_FILENO, "theirs", 6));
            ::_exit(17);
        });
        run(fault);
    };
    EXPECT_EXIT(handled(&overflow), testing::ExitedWithCode(17),
                std::string{"^"} + report + "theirs$");
    EXPECT_EXIT(handled(&write_to_null), testing::ExitedWithCode(17), "^theirs$");
}

TEST(stack_overflow_death_test, a_fault_that_is_ignored_kills_but_a_signal_that_was_sent_does_not) {
    EXPECT_EXIT(
        {
            ::signal(SIGSEGV, SIG_IGN);
            run([] {
                ::raise(SIGSEGV);
                overflow();
            });
        },
        killed_by_segv, report);
}

TEST(stack_overflow_death_test, a_run_after_one_reports_too) {
    EXPECT_EXIT(
        {
            run([] { run([] {}); }); // nested
            run(&overflow);
        },
        killed_by_segv, report);
    EXPECT_EXIT(run([] {
                    run([] {});
                    overflow(); // after the nested one
                }),
                killed_by_segv, report);
}

void a_run_leaves_all_as_it_was() {
    EXPECT_NE(alternate_stack().ss_flags & SS_DISABLE, 0);
    run([] {
        EXPECT_NE(segv_action().sa_flags & SA_SIGINFO, 0);
        EXPECT_EQ(alternate_stack().ss_flags & SS_DISABLE, 0);
    });
    EXPECT_EQ(segv_action().sa_handler, SIG_DFL);
    EXPECT_NE(alternate_stack().ss_flags & SS_DISABLE, 0);
}

TEST(stack_overflow, a_run_leaves_the_handler_and_the_alternate_stack_as_they_were) {
    a_run_leaves_all_as_it_was();
}

TEST(stack_overflow, what_the_user_has_installed_meanwhile_stays) {
    std::vector<char> memory(64 * kib);
    const auto theirs = [](int) { ::_exit(18); };
    run([&] {
        handle_segv_by(theirs);
        const stack_t stack{.ss_sp = memory.data(), .ss_flags = 0, .ss_size = memory.size()};
        ::sigaltstack(&stack, nullptr);
    });
    EXPECT_EQ(segv_action().sa_handler, +theirs);
    EXPECT_EQ(alternate_stack().ss_sp, memory.data());
    run([&] { EXPECT_EQ(alternate_stack().ss_sp, memory.data()); });
    const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    ::sigaltstack(&none, nullptr);
    ::signal(SIGSEGV, SIG_DFL);
    a_run_leaves_all_as_it_was();
}

#endif

} // namespace
