// Waiting for several children at once: of different types, or between two iterators.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/await_many.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"

#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace {

using test::anywhere;
using test::domains;
using test::failed_with;

TEST(await_many, all_outcomes_come_in_a_tuple) {
    miou::run({.domains = domains()}, [] {
        const auto number = anywhere([] { return 1; });
        const auto text = anywhere([] { return std::string{"two"}; });
        const auto nothing = anywhere([] {});
        const auto failure = anywhere([]() -> double { throw std::runtime_error{"four"}; });
        const auto [a, b, c, d] = miou::await_all(number, text, nothing, failure);
        EXPECT_EQ(a.value(), 1);
        EXPECT_EQ(b.value(), "two");
        EXPECT_TRUE(c.has_value());
        EXPECT_TRUE(failed_with<std::runtime_error>(d));
    });
}

TEST(await_many, promises_that_are_moved_in_give_values_that_are_moved_out) {
    miou::run({.domains = domains()}, [] {
        auto unique = anywhere([] { return std::make_unique<int>(1); });
        const auto plain = anywhere([] { return 2; });
        auto [a, b] = miou::await_all(std::move(unique), plain);
        EXPECT_EQ(*a.value(), 1);
        EXPECT_EQ(b.value(), 2);
    });
}

TEST(await_many, the_index_of_the_result_says_which_child_was_first) {
    miou::run({.domains = domains()}, [] {
        const auto slow = anywhere([]() -> int { test::forever(); });
        const auto quick = anywhere([] { return std::string{"quick"}; });
        const auto first = miou::await_one(slow, quick);
        ASSERT_EQ(first.value().index(), 1u);
        EXPECT_EQ(std::get<1>(first.value()), "quick");
        EXPECT_EQ(slow.state(), miou::promise_state::running);
        miou::cancel(slow);
    });
}

TEST(await_many, one_type_may_appear_twice_and_void_is_monostate) {
    miou::run({.domains = domains()}, [] {
        const auto slow = anywhere([] { test::forever(); });
        const auto quick = anywhere([] {});
        const miou::result<std::variant<std::monostate, std::monostate>> first =
            miou::await_first(slow, quick);
        EXPECT_EQ(first.value().index(), 1u);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(slow)));
    });
}

TEST(await_many, a_success_is_preferred_to_a_failure) {
    miou::run({.domains = domains()}, [] {
        const auto failure = miou::async([]() -> int { throw std::runtime_error{"no"}; });
        const auto success = miou::async([] { return std::string{"yes"}; });
        test::yield_until([&] {
            return failure.state() != miou::promise_state::running &&
                   success.state() != miou::promise_state::running;
        });
        EXPECT_EQ(miou::await_first(failure, success).value().index(), 1u);
    });
}

TEST(await_many, a_failure_is_reported_if_it_is_the_only_outcome) {
    miou::run({.domains = domains()}, [] {
        const auto failure = anywhere([]() -> int { throw std::runtime_error{"no"}; });
        const auto slow = anywhere([] { test::forever(); });
        EXPECT_TRUE(failed_with<std::runtime_error>(miou::await_first(failure, slow)));
    });
}

TEST(await_many, a_value_that_cannot_be_copied_is_moved_into_the_variant) {
    miou::run({.domains = domains()}, [] {
        const auto unique = anywhere([] { return std::make_unique<int>(1); });
        const auto slow = anywhere([] { test::forever(); });
        EXPECT_EQ(*std::get<0>(miou::await_first(unique, slow).value()), 1);
    });
}

TEST(await_many, only_children_may_be_awaited) {
    miou::run({.domains = domains()}, [] {
        const auto own = anywhere([] { return 1; });
        const auto child = anywhere([&] {
            const auto grandchild = anywhere([] {});
            EXPECT_THROW(miou::await_one(own, grandchild), miou::not_a_child);
            EXPECT_THROW(miou::await_first(own, grandchild), miou::not_a_child);
            EXPECT_THROW(miou::await_all(own, grandchild), miou::not_a_child);
            miou::await_exn(grandchild);
        });
        miou::await_exn(own);
        miou::await_exn(child);
    });
}

TEST(await_many, two_iterators_are_a_range) {
    miou::run({.domains = domains()}, [] {
        std::list<miou::promise<int>> children;
        for (int i = 0; i < 4; ++i)
            children.push_back(anywhere([i] { return i; }));
        const auto outcomes = miou::await_all(children.begin(), std::prev(children.end()));
        ASSERT_EQ(outcomes.size(), 3u);
        EXPECT_EQ(outcomes[2].value(), 2);
        const auto last = std::prev(children.end());
        EXPECT_EQ(miou::await_one(last, children.end()).value(), 3);
        EXPECT_EQ(miou::await_first(last, children.end()).value(), 3);
        EXPECT_THROW(miou::await_one(last, last), std::invalid_argument);
    });
}

} // namespace
