// Cancellation of subtrees over domains.

#include "support/counted.hpp"
#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/at_end.hpp"
#include "miou/mutex.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"
#include "miou/trigger.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using test::domains;
using test::failed_with;

TEST(cancel, a_finished_task_becomes_a_cancelled_one) { // Miou test06
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async([] {});
        miou::await_exn(p);
        miou::cancel(p);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(p)));
        EXPECT_EQ(p.state(), miou::promise_state::exited);
    });
}

TEST(cancel, a_failed_task_becomes_a_cancelled_one) {
    miou::run({.domains = domains()}, [] {
        const auto p = test::anywhere([] { throw std::runtime_error{"x"}; });
        EXPECT_TRUE(failed_with<std::runtime_error>(miou::await(p)));
        miou::cancel(p);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(p)));
    });
}

TEST(cancel, a_task_of_another_domain_is_cancelled_whether_it_ran_or_not) { // Miou test07
    for (int i = 0; i < 10; ++i)
        miou::run({.domains = test::at_least(1)}, [] {
            const auto p = miou::call([] {});
            miou::cancel(p);
            EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(p)));
        });
}

TEST(cancel, may_be_repeated) {
    miou::run({.domains = domains()}, [] {
        const auto p = test::anywhere(test::forever);
        miou::cancel(p);
        miou::cancel(p);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(p)));
    });
}

TEST(cancel, only_the_parent_may_cancel) {
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async(test::forever);
        const auto q = miou::async([&] { miou::cancel(p); });
        EXPECT_TRUE(failed_with<miou::not_a_child>(miou::await(q)));
        EXPECT_EQ(p.state(), miou::promise_state::running);
        miou::cancel(p);
    });
}

TEST(cancel, a_task_that_never_ran_does_not_run) {
    miou::run({.domains = domains()}, [] {
        bool ran = false;
        const auto p = miou::async([&] { ran = true; });
        miou::cancel(p);
        EXPECT_FALSE(ran);
    });
}

TEST(cancel, the_children_of_a_cancelled_task_are_cancelled) { // Miou test09
    miou::run({.domains = test::at_least(1)}, [] {
        const auto p = miou::call([] {
            const auto p0 = miou::async(test::forever);
            const auto p1 = miou::async(test::forever);
            miou::await_exn(p0);
            miou::await_exn(p1);
        });
        miou::cancel(p);
    });
}

TEST(cancel, returns_when_the_whole_subtree_has_unwound_on_every_domain) {
    struct node {
        std::atomic<int>& open;
        std::atomic<int>& leaves;
        int depth;
        void operator()() const {
            const test::counted here{open};
            if (depth == 0) {
                ++leaves;
                test::forever();
            }
            const auto left = test::anywhere(node{open, leaves, depth - 1});
            const auto right = miou::async(node{open, leaves, depth - 1});
            miou::await_exn(left);
            miou::await_exn(right);
        }
    };
    miou::run({.domains = domains()}, [] {
        std::atomic<int> open = 0;
        std::atomic<int> leaves = 0;
        const auto p = test::anywhere(node{open, leaves, 5});
        test::yield_until([&] { return leaves == 32; });
        miou::cancel(p);
        EXPECT_EQ(open, 0);
    });
}

TEST(cancel, finalisers_have_run_when_it_returns) { // Miou test30
    for (int i = 0; i < 11; ++i)
        miou::run({.domains = test::at_least(1)}, [] {
            std::atomic<int> open = 0;
            const auto p = miou::call([&] {
                const test::counted here{open};
                test::forever();
            });
            miou::cancel(p);
            EXPECT_EQ(open, 0);
        });
}

TEST(cancel, a_task_of_the_only_other_domain_unwinds) { // Miou test34
    miou::run({.domains = 1}, [] {
        const auto p = miou::call(test::forever);
        miou::cancel(p);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(p)));
    });
}

TEST(cancel, a_busy_domain_still_receives_the_ends_of_tasks_on_others) { // Miou test42
    miou::run({.domains = test::at_least(1)}, [] {
        const auto p0 = miou::async(test::forever);
        const auto p1 = miou::call([] { miou::yield(); });
        miou::await_exn(p1);
        miou::cancel(p0);
    });
}

TEST(cancel, others_run_while_it_waits) {
    miou::run({.domains = domains()}, [] {
        bool let_go = false;
        const auto stubborn = miou::async(
            [&] { miou::uncancellable([&] { test::yield_until([&] { return let_go; }); }); });
        miou::yield();
        const auto other = miou::async([&] { let_go = true; });
        miou::cancel(stubborn);
        EXPECT_TRUE(let_go);
        miou::await_exn(other);
    });
}

TEST(cancel, siblings_are_left_alone) {
    miou::run({.domains = domains()}, [] {
        std::vector<miou::promise<int>> siblings;
        miou::trigger go;
        for (int i = 0; i < 10; ++i)
            siblings.push_back(test::anywhere([i] {
                for (int n = 0; n < 10; ++n)
                    miou::yield();
                return i;
            }));
        const auto victim = test::anywhere(test::forever);
        miou::cancel(victim);
        for (int i = 0; i < 10; ++i)
            EXPECT_EQ(miou::await_exn(siblings[static_cast<std::size_t>(i)]), i);
    });
}

TEST(cancel, the_cost_does_not_grow_with_the_number_of_siblings) {
    // If the cost grew with the number of siblings, this would take minutes.
    miou::run({.domains = 0}, [] {
        std::vector<miou::promise<void>> siblings;
        for (int i = 0; i < 50'000; ++i)
            siblings.push_back(miou::async([] {}));
        for (auto at = siblings.rbegin(); at != siblings.rend(); ++at)
            miou::cancel(*at);
    });
}

TEST(cancel, a_chain_of_generations_is_cancelled_without_recursion) {
    struct link {
        int depth;
        void operator()() const {
            if (depth == 0)
                test::forever();
            const auto next = test::anywhere(link{depth - 1});
            miou::await_exn(next);
        }
    };
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async(link{300});
        for (int i = 0; i < 300; ++i)
            miou::yield();
        miou::cancel(p);
    });
}

TEST(cancel, destructors_may_suspend_while_a_cancelled_task_unwinds) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        std::string seen;
        const auto p = miou::async([&] {
            const miou::at_end clean_up{[&] {
                miou::yield();
                const std::scoped_lock held{guard};
                seen += miou::await_exn(miou::async([] {
                    miou::yield();
                    return "clean";
                }));
            }};
            test::forever();
        });
        miou::yield();
        const auto holder = miou::async([&] {
            const std::scoped_lock held{guard};
            for (int i = 0; i < 10; ++i)
                miou::yield();
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_EQ(seen, "clean");
        miou::await_exn(holder);
    });
}

TEST(cancel, a_caller_that_is_cancelled_while_it_waits_is_told_afterwards) {
    miou::run({.domains = domains()}, [] {
        bool let_go = false;
        bool child_unwound = false;
        bool heard = false;
        const auto p = miou::async([&] {
            const auto child = miou::async([&] {
                miou::uncancellable([&] { test::yield_until([&] { return let_go; }); });
                child_unwound = true;
            });
            miou::yield();
            try {
                miou::cancel(child);
            } catch (const miou::cancelled&) {
                EXPECT_TRUE(child_unwound);
                heard = true;
                throw;
            }
        });
        miou::yield();
        miou::yield();
        const auto other = miou::async([&] {
            miou::yield();
            let_go = true;
        });
        miou::cancel(p);
        EXPECT_TRUE(heard);
        miou::await_exn(other);
    });
}

TEST(cancel, cancel_all_tells_every_child_before_it_waits_for_the_first) {
    miou::run({.domains = domains()}, [] {
        // Each child unwinds only when the others do: cancelling them one by one would hang.
        constexpr int children = 5;
        std::atomic<int> running = 0;
        std::atomic<int> unwinding = 0;
        std::vector<miou::promise<void>> all;
        for (int i = 0; i < children; ++i)
            all.push_back(test::anywhere([&] {
                const miou::at_end together{[&] {
                    ++unwinding;
                    test::yield_until([&] { return unwinding == children; });
                }};
                ++running;
                test::forever();
            }));
        test::yield_until([&] { return running == children; });
        miou::cancel_all(all);
        EXPECT_EQ(unwinding, children);
        for (const auto& each : all)
            EXPECT_TRUE(test::failed_with<miou::cancelled>(miou::await(each)));
        miou::cancel_all(std::vector<miou::promise<void>>{});
    });
}

TEST(cancel, cancel_all_refuses_a_child_of_another_task_before_it_cancels_any) {
    miou::run({.domains = domains()}, [] {
        const auto mine = miou::async([] { return 1; });
        const auto other = miou::async([&] { miou::cancel_all({mine}); });
        EXPECT_TRUE(test::failed_with<miou::not_a_child>(miou::await(other)));
        EXPECT_EQ(miou::await_exn(mine), 1);
    });
}

} // namespace
