// What happens to a task that needs more stack than it has.

#include "miou/miou.hpp"
#include "support/parking_lot.hpp"
#include "support/sanitized.hpp"
#include "support/sizes.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

namespace {

using test::kib;

[[gnu::noinline]] int recurse(volatile int* last, int depth) {
    volatile int mine[16] = {depth, *last};
    if (depth == 0)
        return mine[1];
    return recurse(mine, depth - 1) + mine[0];
}

/// Writes only to the far end of a frame of `size` bytes.
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

/// Runs `fn` in a task whose stack lies directly above the stacks of parked tasks.
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

/// The report of an overflow in a task that this file spawned.
#if TEST_SANITIZED
constexpr const char* report = ""; // the sanitizer reports in its own way, or not at all
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

TEST(stack_overflow_death_test, a_large_frame_is_caught_on_another_domain_and_in_a_nested_run) {
    volatile std::size_t size = 700 * kib;
    const auto call = [](auto fn) { miou::await_exn(miou::call([&] { fn(); })); };
    const auto overflow = [&] { far_end_of_a_frame(size); };
    EXPECT_DEATH(miou::run({.domains = 1}, [&] { call(overflow); }), report);
    EXPECT_DEATH(miou::run({.domains = 1}, [&] { call([&] { run_above_others(overflow); }); }),
                 report);
}

// --- The handler of SIGSEGV ----------------------------------------------------------------------

// The sanitizers install a handler of their own.
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

bool has_alternate_stack() {
    return (alternate_stack().ss_flags & SS_DISABLE) == 0;
}

const testing::KilledBySignal killed_by_segv{SIGSEGV};
const std::string only_the_report = std::string{"^"} + report + "$";

TEST(stack_overflow_death_test, the_process_dies_as_it_would_without_the_report) {
    EXPECT_EXIT(run(&overflow), killed_by_segv, only_the_report);
}

TEST(stack_overflow_death_test, other_faults_are_not_taken_for_an_overflow) {
    EXPECT_EXIT(run(&write_to_null), killed_by_segv, "^$");
    EXPECT_EXIT(run([] { ::raise(SIGSEGV); }), killed_by_segv, "^$");
}

TEST(stack_overflow_death_test, the_guard_page_of_another_task_is_not_an_overflow_of_this_one) {
    EXPECT_EXIT(run([] {
                    test::parking_lot lot;
                    const char* other = nullptr;
                    const auto parked = miou::async([&] {
                        other = static_cast<const char*>(__builtin_frame_address(0));
                        lot.park();
                    });
                    miou::yield();
                    for (volatile const char* at = other;;
                         at -= kib) // until it reaches the guard page
                        static_cast<void>(*at);
                }),
                killed_by_segv, "^$");
}

TEST(stack_overflow_death_test, the_loop_of_a_nested_run_is_on_the_stack_of_the_task_that_runs_it) {
    EXPECT_EXIT(run([] {
                    miou::run({.domains = 0,
                               .events = [](miou::domain_uid) -> miou::events {
                                   overflow();
                                   return {};
                               }},
                              [] {});
                }),
                killed_by_segv, only_the_report);
}

TEST(stack_overflow_death_test, a_run_after_or_beside_another_one_reports_too) {
    EXPECT_EXIT(
        {
            run([] { run([] {}); }); // nested
            run(&overflow);
        },
        killed_by_segv, only_the_report);
    EXPECT_EXIT(run([] {
                    run([] {});
                    overflow(); // after the nested one
                }),
                killed_by_segv, only_the_report);
    EXPECT_EXIT(run([] {
                    std::thread{[] { run([] {}); }}.join();
                    std::thread{[] { run(&overflow); }}.join();
                }),
                killed_by_segv, only_the_report);
}

/// Makes standard error a full pipe, to which nothing can be written.
void make_standard_error_useless(bool closed) {
    int ends[2] = {};
    ASSERT_EQ(::pipe2(ends, O_NONBLOCK), 0);
    const std::vector<char> piece(64 * kib);
    while (::write(ends[1], piece.data(), piece.size()) > 0) {
    }
    ::fcntl(ends[1], F_SETFL, 0); // a write blocks
    ::dup2(ends[1], STDERR_FILENO);
    if (closed)
        ::close(ends[0]);
}

TEST(stack_overflow_death_test, a_report_that_nobody_reads_changes_nothing) {
    for (const bool closed : {false, true})
        EXPECT_EXIT(run([closed] {
                        make_standard_error_useless(closed);
                        overflow();
                    }),
                    killed_by_segv, "^$");
}

void a_run_leaves_all_as_it_was() {
    EXPECT_FALSE(has_alternate_stack());
    run([] {
        EXPECT_NE(segv_action().sa_flags & SA_SIGINFO, 0);
        EXPECT_TRUE(has_alternate_stack());
    });
    EXPECT_EQ(segv_action().sa_handler, SIG_DFL);
    EXPECT_FALSE(has_alternate_stack());
}

TEST(stack_overflow, a_run_leaves_the_handler_and_the_alternate_stack_as_they_were) {
    a_run_leaves_all_as_it_was();
}

void theirs(int) {
    ::_exit(17);
}

void handle_segv_by(void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_ONSTACK;
    ::sigaction(SIGSEGV, &action, nullptr);
}

TEST(stack_overflow_death_test, a_handler_of_the_user_replaces_the_report) {
    const auto handled = [](auto fn) {
        handle_segv_by(&theirs);
        run(fn);
    };
    EXPECT_EXIT(handled(&overflow), testing::ExitedWithCode(17), "^$");
    EXPECT_EXIT(handled(&write_to_null), testing::ExitedWithCode(17), "^$");
}

TEST(stack_overflow, a_handler_that_the_user_installs_before_or_meanwhile_stays) {
    std::vector<char> memory(64 * kib);
    for (void (*const handler)(int) : {&theirs, SIG_IGN}) {
        run([&] {
            handle_segv_by(handler);
            stack_t stack{};
            stack.ss_sp = memory.data();
            stack.ss_size = memory.size();
            ::sigaltstack(&stack, nullptr);
        });
        for (int i = 0; i < 2; ++i) {
            EXPECT_EQ(segv_action().sa_handler, handler);
            EXPECT_EQ(alternate_stack().ss_sp, memory.data());
            run([&] {
                EXPECT_EQ(segv_action().sa_handler, handler);
                EXPECT_EQ(alternate_stack().ss_sp, memory.data());
            });
        }
        stack_t none{};
        none.ss_flags = SS_DISABLE;
        ::sigaltstack(&none, nullptr);
        ::signal(SIGSEGV, SIG_DFL);
        a_run_leaves_all_as_it_was();
    }
}

struct sigaction before_theirs {};

TEST(stack_overflow_death_test, a_handler_of_the_user_may_call_the_previous_one) {
    EXPECT_EXIT(run([] {
                    before_theirs = segv_action();
                    struct sigaction action = before_theirs;
                    action.sa_sigaction = [](int number, siginfo_t* info, void* context) {
                        static_cast<void>(::write(STDERR_FILENO, "theirs\n", 7));
                        before_theirs.sa_sigaction(number, info, context);
                    };
                    ::sigaction(SIGSEGV, &action, nullptr);
                    overflow();
                }),
                killed_by_segv, std::string{"^theirs\n"} + report + "$");
}

TEST(stack_overflow_death_test, the_signal_action_of_a_run_does_no_harm_after_the_run) {
    const auto give_back = [] {
        struct sigaction during {};
        run([&] { during = segv_action(); });
        ::sigaction(SIGSEGV, &during, nullptr);
    };
    EXPECT_EXIT((give_back(), write_to_null()), killed_by_segv, "^$");
    EXPECT_EXIT((give_back(), run(&overflow)), killed_by_segv, only_the_report);
    EXPECT_EXIT((give_back(), run([] {}), write_to_null()), killed_by_segv, "^$");
}

#endif

} // namespace
