// Children that are put aside and collected when they have finished.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"
#include "support/ticks.hpp"

#include "miou/orphans.hpp"
#include "miou/run.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>

namespace {

using test::domains;
using test::failed_with;
using test::message_of;

TEST(orphans, they_belong_to_one_task) { // Miou test41
    const std::string message = message_of<std::invalid_argument>([] {
        miou::run({.domains = domains()}, [] {
            miou::run({.domains = domains()}, [] {
                miou::orphans<void> orphans;
                const auto p = miou::async(orphans, [&] {
                    const auto q = miou::async(orphans, [] {});
                    miou::await_exn(q);
                });
                miou::await_exn(p);
            });
        });
    });
    EXPECT_EQ(message, "The given orphans is owned by another promise");
}

TEST(orphans, take_returns_them_all_to_be_cancelled) { // Miou test45
    test::ticks system;
    system.run(domains(), [&] {
        miou::await_exn(miou::async([&] {
            miou::orphans<void> orphans;
            std::mt19937 random{45};
            for (int i = 0; i < 42; ++i)
                miou::async(orphans, [&system, duration = static_cast<int>(random() % 42)] {
                    system.sleep(duration);
                });
            int taken = 0;
            while (const auto each = miou::take(orphans)) {
                miou::cancel(*each);
                ++taken;
            }
            EXPECT_EQ(taken, 42);
            EXPECT_EQ(miou::length(orphans), 0u);
        }));
    });
    EXPECT_EQ(system.now(), 0);
}

TEST(orphans, get_drains_them) { // Miou test46
    miou::run({.domains = domains()}, [] {
        miou::await_exn(miou::async([] {
            miou::orphans<int> orphans;
            EXPECT_FALSE(miou::get(orphans));
            miou::async(orphans, [] { return 1; });
            miou::async(orphans, [] { return 2; });
            miou::async(orphans, []() -> int { throw std::runtime_error{"t46"}; });
            EXPECT_EQ(miou::length(orphans), 3u);
            int values = 0;
            int errors = 0;
            while (const auto each = miou::get(orphans))
                ++(each->has_value() ? values : errors);
            EXPECT_EQ(miou::length(orphans), 0u);
            EXPECT_EQ(values, 2);
            EXPECT_EQ(errors, 1);
        }));
    });
}

TEST(orphans, another_task_is_refused) { // Miou test47
    miou::run({.domains = test::at_least(1)}, [] {
        miou::orphans<int> orphans;
        miou::async(orphans, [] { return 42; });
        const auto intrude = [&] {
            EXPECT_THROW(static_cast<void>(miou::get(orphans)), std::invalid_argument);
            EXPECT_THROW(static_cast<void>(miou::care(orphans)), std::invalid_argument);
            EXPECT_THROW(static_cast<void>(miou::take(orphans)), std::invalid_argument);
            EXPECT_THROW(miou::async(orphans, [] { return 1; }), std::invalid_argument);
        };
        miou::await_exn(miou::async(intrude));
        miou::await_exn(miou::call(intrude));
        EXPECT_EQ(miou::length(orphans), 1u);
        EXPECT_EQ(miou::get(orphans)->value(), 42);
    });
}

TEST(orphans, a_cancelled_get_leaves_nothing_behind) { // Miou test48
    miou::run({.domains = domains()}, [] {
        const auto blocker = miou::async([] {
            miou::orphans<void> orphans;
            miou::async(orphans, test::forever);
            static_cast<void>(miou::get(orphans));
        });
        miou::yield();
        miou::cancel(blocker);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(blocker)));
    });
}

TEST(orphans, care_distinguishes_not_yet_from_nothing_left) {
    miou::run({.domains = domains()}, [] {
        miou::orphans<int> orphans;
        EXPECT_FALSE(miou::care(orphans));
        miou::async(orphans, [] { return 1; });
        const auto not_yet = miou::care(orphans);
        ASSERT_TRUE(not_yet);
        EXPECT_FALSE(*not_yet);
        miou::yield();
        const auto finished = miou::care(orphans);
        ASSERT_TRUE(finished);
        ASSERT_TRUE(*finished);
        EXPECT_EQ((*finished)->state(), miou::promise_state::finished);
        EXPECT_EQ(miou::await_exn(**finished), 1);
        EXPECT_FALSE(miou::care(orphans));
    });
}

TEST(orphans, what_care_returned_must_be_awaited) {
    EXPECT_THROW(miou::run({.domains = domains()},
                           [] {
                               miou::orphans<void> orphans;
                               miou::async(orphans, [] {});
                               miou::yield();
                               EXPECT_TRUE(*miou::care(orphans));
                           }),
                 miou::still_has_children);
}

TEST(orphans, children_that_are_left_break_rule_1_and_are_unwound) {
    bool unwound = false;
    EXPECT_THROW(miou::run({.domains = domains()},
                           [&] {
                               miou::orphans<void> orphans;
                               miou::async(orphans, [&] {
                                   try {
                                       test::forever();
                                   } catch (const miou::cancelled&) {
                                       unwound = true;
                                       throw;
                                   }
                               });
                               miou::yield();
                           }),
                 miou::still_has_children);
    EXPECT_TRUE(unwound);
}

TEST(orphans, children_that_a_failing_task_leaves_are_forgiven) {
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async([] {
            miou::orphans<void> orphans;
            for (int i = 0; i < 10; ++i)
                miou::async(orphans, test::forever);
            miou::yield();
            throw std::runtime_error{"x"};
        });
        EXPECT_TRUE(failed_with<std::runtime_error>(miou::await(p)));
    });
}

TEST(orphans, successes_come_before_failures_in_the_order_in_which_they_ended) {
    miou::run({.domains = domains()}, [] {
        miou::orphans<int> orphans;
        for (int i = 0; i < 6; ++i)
            miou::async(orphans, [i] {
                for (int n = i; n < 6; ++n)
                    miou::yield();
                if (i % 2 == 0)
                    throw std::runtime_error{"even"};
                return i;
            });
        for (int i = 0; i < 10; ++i)
            miou::yield();
        std::vector<int> order;
        while (const auto each = miou::get(orphans))
            order.push_back(each->has_value() ? each->value() : -1);
        EXPECT_EQ(order, (std::vector{5, 3, 1, -1, -1, -1}));
    });
}

TEST(orphans, a_child_may_be_awaited_by_its_promise_as_well) {
    miou::run({.domains = domains()}, [] {
        miou::orphans<int> orphans;
        const auto p = miou::async(orphans, [] { return 3; });
        EXPECT_EQ(miou::await_exn(p), 3);
        EXPECT_EQ(miou::length(orphans), 1u);
        EXPECT_EQ(miou::get(orphans)->value(), 3);
    });
}

TEST(orphans, a_cancelled_child_is_collected_as_a_failure) {
    miou::run({.domains = domains()}, [] {
        miou::orphans<int> orphans;
        const auto p = miou::async(orphans, []() -> int { test::forever(); });
        miou::async(orphans, [] { return 3; });
        miou::cancel(p);
        EXPECT_EQ(miou::get(orphans)->value(), 3);
        EXPECT_TRUE(failed_with<miou::cancelled>(*miou::get(orphans)));
        EXPECT_FALSE(miou::get(orphans));
    });
}

TEST(orphans, a_child_cancelled_after_it_succeeded_is_reported_as_cancelled) {
    miou::run({.domains = domains()}, [] {
        miou::orphans<std::string> orphans;
        const auto p = miou::async(orphans, [] { return std::string(100, 'x'); });
        miou::yield();
        miou::cancel(p);
        EXPECT_TRUE(failed_with<miou::cancelled>(*miou::get(orphans)));
    });
}

TEST(orphans, many_come_back_from_every_domain_once_each) {
    miou::run({.domains = test::at_least(1)}, [] {
        miou::orphans<std::unique_ptr<int>> orphans;
        for (int i = 0; i < 300; ++i)
            miou::call(orphans, [i] { return std::make_unique<int>(i); });
        std::set<int> seen;
        while (const auto each = miou::get(orphans))
            seen.insert(*each->value());
        EXPECT_EQ(seen.size(), 300u);
    });
}

TEST(orphans, get_waits_and_others_run_meanwhile) {
    miou::run({.domains = domains()}, [] {
        bool go = false;
        miou::orphans<void> orphans;
        miou::async(orphans, [&] { test::yield_until([&] { return go; }); });
        const auto other = miou::async([&] { go = true; });
        EXPECT_TRUE(miou::get(orphans)->has_value());
        miou::await_exn(other);
    });
}

TEST(orphans, spawning_may_give_resources_and_pin) {
    miou::run({.domains = test::at_least(1)}, [] {
        miou::orphans<int> orphans;
        miou::ownership r{[] {}};
        r.own();
        miou::async({.give = {r}}, orphans, [r]() mutable {
            r.release();
            return 0;
        });
        const auto last = miou::domain::all().back();
        miou::call({.pin = last}, orphans, [] { return miou::domain::self().to_int(); });
        EXPECT_THROW(miou::call({.pin = miou::domain_uid::of_int(0)}, orphans, [] { return 1; }),
                     std::invalid_argument);
        EXPECT_EQ(miou::length(orphans), 2u);
        int sum = 0;
        while (const auto each = miou::get(orphans))
            sum += each->value();
        EXPECT_EQ(sum, last.to_int());
    });
}

TEST(orphans, outside_of_a_task_they_can_only_be_made) {
    miou::orphans<int> orphans;
    EXPECT_EQ(miou::length(orphans), 0u);
    EXPECT_THROW(static_cast<void>(miou::get(orphans)), miou::outside_of_task);
    EXPECT_THROW(static_cast<void>(miou::care(orphans)), miou::outside_of_task);
    EXPECT_THROW(static_cast<void>(miou::take(orphans)), miou::outside_of_task);
    EXPECT_THROW(miou::async(orphans, [] { return 1; }), miou::outside_of_task);
}

} // namespace
