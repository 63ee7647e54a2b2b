// await, await_one, await_first, await_all.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/at_end.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"
#include "miou/trigger.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using test::contains;
using test::domains;
using test::failed_with;
using test::message_of;

TEST(await, awaiting_twice_returns_the_same_value) { // Miou test03
    miou::run({.domains = domains()}, [] {
        const auto p = test::anywhere([] { return std::string(100, 'x'); });
        EXPECT_EQ(miou::await_exn(p), std::string(100, 'x'));
        EXPECT_EQ(miou::await_exn(p), std::string(100, 'x'));
        const auto failing = test::anywhere([] { throw std::runtime_error{"again"}; });
        EXPECT_THROW(miou::await_exn(failing), std::runtime_error);
        EXPECT_THROW(miou::await_exn(failing), std::runtime_error);
    });
}

TEST(await, a_failure_is_reported_and_not_thrown) {
    miou::run({.domains = domains()}, [] {
        const auto outcome = miou::await(test::anywhere([]() -> int { throw 5; }));
        EXPECT_TRUE(failed_with<int>(outcome));
    });
}

TEST(await, only_the_parent_may_await) { // Miou test12
    const std::string message = message_of<miou::not_a_child>([] {
        miou::run({.domains = domains()}, [] {
            const auto a = miou::async([] {});
            const auto b = miou::async([&] { miou::await_exn(a); });
            miou::await_exn(a);
            miou::await_exn(b);
        });
    });
    EXPECT_TRUE(contains(message, "await_test.cpp:")) << message;
    EXPECT_TRUE(contains(message, "miou::await")) << message;
}

TEST(await, a_promise_of_another_task_is_refused_over_domains) { // Miou test13
    EXPECT_THROW(miou::run({.domains = test::at_least(1)},
                           [] {
                               std::atomic<const miou::promise<void>*> shared = nullptr;
                               std::atomic<bool> tried = false;
                               const auto a = miou::call([&] {
                                   const auto p = miou::async([] {});
                                   shared = &p;
                                   test::yield_until([&] { return tried.load(); });
                                   miou::await_exn(p);
                               });
                               const auto b = miou::call([&] {
                                   test::yield_until([&] { return shared.load() != nullptr; });
                                   const miou::at_end after{[&] { tried = true; }};
                                   miou::await_exn(*shared.load());
                               });
                               miou::await_exn(a);
                               miou::await_exn(b);
                           }),
                 miou::not_a_child);
}

TEST(await, a_promise_of_an_earlier_run_is_refused) {
    // The second root may have the address of the first.
    std::optional<miou::promise<int>> kept;
    for (int i = 0; i < 2; ++i)
        miou::run({.domains = domains()}, [&] {
            if (kept) {
                EXPECT_THROW(static_cast<void>(miou::await(*kept)), miou::not_a_child);
                EXPECT_THROW(miou::cancel(*kept), miou::not_a_child);
            } else {
                kept = miou::async([] { return 1; });
                miou::await_exn(*kept);
            }
        });
}

TEST(await, the_root_of_a_nested_run_is_not_the_parent_of_outer_tasks) {
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async([] {});
        miou::run({.domains = 0}, [&] { EXPECT_THROW(miou::await_exn(p), miou::not_a_child); });
        miou::await_exn(p);
    });
}

TEST(await_one, the_others_go_on) { // Miou test05
    for (int i = 0; i < 10; ++i)
        miou::run({.domains = test::at_least(1)}, [] {
            const auto p0 = miou::call([] { return 0; });
            const auto p1 = miou::call([] { return 1; });
            const int first = miou::await_one({p0, p1}).value();
            EXPECT_EQ(miou::await_exn(first == 0 ? p1 : p0), 1 - first);
        });
}

TEST(await_one, the_same_promise_may_be_listed_twice) { // Miou test18
    miou::run({.domains = test::at_least(1)}, [] {
        const auto p = miou::call([] {});
        EXPECT_TRUE(miou::await_one({p, p}).has_value());
        EXPECT_TRUE(miou::await_first({p, p}).has_value());
        EXPECT_TRUE(miou::await(p).has_value());
    });
}

TEST(await_one, returns_as_soon_as_one_has_finished) {
    miou::run({.domains = domains()}, [] {
        const auto slow = test::anywhere(test::forever);
        const auto quick = miou::async([] {});
        EXPECT_TRUE(miou::await_one({slow, quick}).has_value());
        EXPECT_EQ(slow.state(), miou::promise_state::running);
        miou::cancel(slow);
    });
}

TEST(await_one, a_success_is_preferred_to_a_failure) {
    for (int i = 0; i < 20; ++i)
        miou::run({.domains = domains()}, [] {
            std::vector<miou::promise<int>> children;
            for (int n = 0; n < 5; ++n)
                children.push_back(miou::async([n] {
                    if (n != 3)
                        throw std::runtime_error{"n"};
                    return n;
                }));
            miou::yield(); // now all have finished
            EXPECT_EQ(miou::await_one(children).value(), 3);
            miou::await_all(children);
        });
}

TEST(await_one, a_failure_is_returned_if_nothing_has_succeeded_yet) {
    miou::run({.domains = domains()}, [] {
        const auto slow = miou::async(test::forever);
        const auto failing = miou::async([] { throw 1; });
        EXPECT_TRUE(failed_with<int>(miou::await_one({slow, failing})));
        miou::cancel(slow);
    });
}

TEST(await_one, an_empty_list_is_refused) {
    miou::run({.domains = domains()}, [] {
        const std::vector<miou::promise<int>> none;
        EXPECT_THROW(static_cast<void>(miou::await_one(none)), std::invalid_argument);
        EXPECT_THROW(static_cast<void>(miou::await_first(none)), std::invalid_argument);
        EXPECT_TRUE(miou::await_all(none).empty());
    });
}

TEST(await_one, a_promise_of_another_task_is_refused) {
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async([] {});
        const auto q = miou::async([&] {
            const auto mine = miou::async([] {});
            EXPECT_THROW(static_cast<void>(miou::await_one({mine, p})), miou::not_a_child);
            EXPECT_THROW(static_cast<void>(miou::await_first({mine, p})), miou::not_a_child);
            miou::await_exn(mine);
        });
        miou::await_exn(p);
        miou::await_exn(q);
    });
}

/// Lets `choose` choose one of two children that have both finished. They run on one other domain,
/// in front of a third child: when that was awaited, the ends of both have arrived.
template <class Choose>
int draw(std::uint64_t seed, Choose choose) {
    return miou::run({.g = seed, .domains = test::at_least(1)}, [&] {
        const miou::call_options there{.pin = miou::domain::all().front()};
        const auto a = miou::call(there, [] { return 0; });
        const auto b = miou::call(there, [] { return 1; });
        miou::await_exn(miou::call(there, [] {}));
        EXPECT_EQ(a.state(), miou::promise_state::finished);
        EXPECT_EQ(b.state(), miou::promise_state::finished);
        const int chosen = choose(std::vector{a, b}).value();
        miou::cancel(a);
        miou::cancel(b);
        return chosen;
    });
}

template <class Choose>
void expect_both_outcomes(Choose choose) {
    std::set<int> seen;
    for (std::uint64_t seed = 0; seed < 100 && seen.size() < 2; ++seed)
        seen.insert(draw(seed, choose));
    EXPECT_EQ(seen, (std::set{0, 1}));
}

TEST(await_first, ties_are_broken_at_random) { // Miou test11
    expect_both_outcomes([](const auto& ps) { return miou::await_first(ps); });
}

TEST(await_one, ties_are_broken_at_random) {
    expect_both_outcomes([](const auto& ps) { return miou::await_one(ps); });
}

TEST(await_first, the_others_are_cancelled_and_have_unwound) {
    miou::run({.domains = domains()}, [] {
        std::atomic<int> unwound = 0;
        const auto slow = [&unwound] {
            const miou::at_end leaving{[&] { ++unwound; }};
            test::forever();
        };
        std::vector<miou::promise<void>> children;
        for (int i = 0; i < 10; ++i)
            children.push_back(test::anywhere(slow));
        std::atomic<bool> go = false;
        children.push_back(test::anywhere([&] { test::yield_until([&] { return go.load(); }); }));
        go = true;
        EXPECT_TRUE(miou::await_first(children).has_value());
        const int after = unwound;
        for (int i = 0; i < 10; ++i)
            EXPECT_EQ(children[static_cast<std::size_t>(i)].state(), miou::promise_state::exited);
        miou::yield();
        EXPECT_EQ(unwound, after);
    });
}

TEST(await_first, a_loser_that_had_finished_is_cancelled_too) {
    miou::run({.domains = domains()}, [] {
        const std::vector children{miou::async([] { return 0; }), miou::async([] { return 1; })};
        miou::yield();
        const int winner = miou::await_first(children).value();
        EXPECT_TRUE(failed_with<miou::cancelled>(
            miou::await(children[static_cast<std::size_t>(1 - winner)])));
    });
}

TEST(await_first, the_value_is_copied_from_promises_that_are_kept) {
    miou::run({.domains = domains()}, [] {
        const std::vector children{miou::async([] { return std::string(100, 'x'); })};
        EXPECT_EQ(miou::await_first(children).value(), std::string(100, 'x'));
        EXPECT_EQ(miou::await_exn(children.front()), std::string(100, 'x'));
    });
}

TEST(await_first, results_may_be_move_only) {
    miou::run({.domains = domains()}, [] {
        std::vector<miou::promise<std::unique_ptr<int>>> children;
        children.push_back(miou::async([] { return std::make_unique<int>(9); }));
        EXPECT_EQ(*miou::await_first(children).value(), 9);
    });
}

TEST(await_all, outcomes_are_in_the_order_of_the_promises) {
    miou::run({.domains = domains()}, [] {
        std::list<miou::promise<int>> children;
        for (int i = 0; i < 10; ++i)
            children.push_back(test::anywhere([i] {
                for (int n = i; n < 10; ++n)
                    miou::yield();
                if (i == 4)
                    throw std::runtime_error{"four"};
                return i;
            }));
        const auto outcomes = miou::await_all(children);
        ASSERT_EQ(outcomes.size(), 10u);
        for (int i = 0; i < 10; ++i) {
            const auto& each = outcomes[static_cast<std::size_t>(i)];
            if (i == 4)
                EXPECT_TRUE(failed_with<std::runtime_error>(each));
            else
                EXPECT_EQ(each.value(), i);
        }
    });
}

TEST(await_all, results_may_be_move_only) {
    miou::run({.domains = domains()}, [] {
        std::vector<miou::promise<std::unique_ptr<int>>> children;
        for (int i = 0; i < 3; ++i)
            children.push_back(miou::async([i] { return std::make_unique<int>(i); }));
        const auto outcomes = miou::await_all(std::move(children));
        for (int i = 0; i < 3; ++i)
            EXPECT_EQ(*outcomes[static_cast<std::size_t>(i)].value(), i);
    });
}

TEST(await, what_a_child_wrote_is_visible_to_its_parent_after_await) {
    miou::run({.domains = test::at_least(1)}, [] {
        for (int i = 0; i < 20; ++i) {
            int written = 0;
            const auto p = miou::call([&] { written = i; });
            miou::await_exn(p);
            EXPECT_EQ(written, i);
        }
    });
}

} // namespace
