// Scopes: a child never outlives what it refers to.

#include "miou/miou.hpp"
#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using test::anywhere;
using test::failure;

constexpr boost::source_location parent_site{"parent.cpp", 11, "parent"};
constexpr boost::source_location child_site{"child.cpp", 22, "child"};

/// A local variable of a parent. It counts the children that use it.
class local {
public:
    ~local() { EXPECT_EQ(users_, 0) << "a child outlived a local of its parent"; }

    /// For a child: uses the local until the child is cancelled, and during its clean-up.
    void be_used() {
        ++users_;
        ++started_;
        const miou::at_end clean_up{[&] {
            for (int i = 0; i < 3; ++i)
                miou::yield(); // cannot be cancelled during unwinding
            --users_;
        }};
        miou::trigger never;
        if (const std::exception_ptr stop = never.await())
            std::rethrow_exception(stop);
    }
    void wait_for(int users) const {
        while (started_ < users)
            miou::yield();
    }
    int users() const { return users_; }
    int started() const { return started_; }

private:
    std::atomic<int> users_ = 0;
    std::atomic<int> started_ = 0;
};

/// Runs `fn`, which must break rule 1, and returns the message of the exception.
template <class F>
std::string message_of_rule_1(F fn, int domains = test::domains()) {
    try {
        miou::run({.domains = domains}, fn, parent_site);
    } catch (const miou::still_has_children& broken) {
        return broken.what();
    } catch (...) {
        ADD_FAILURE() << "something else was thrown";
        return {};
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

void expect_named(const std::string& message, const char* parent, const char* child) {
    EXPECT_NE(message.find(parent), std::string::npos) << message;
    EXPECT_NE(message.find(child), std::string::npos) << message;
}

// --- A parent that throws ------------------------------------------------------------------------

TEST(scope, children_are_unwound_before_the_locals_of_a_parent_that_throws) {
    EXPECT_THROW(miou::run({.domains = test::domains()},
                           [] {
                               local mine;
                               const auto here = miou::async([&] { mine.be_used(); });
                               const auto there = anywhere([&] { mine.be_used(); });
                               mine.wait_for(2);
                               throw failure{};
                           }),
                 failure);
}

TEST(scope, grandchildren_on_other_domains_are_unwound_as_well) {
    EXPECT_THROW(miou::run({.domains = test::domains()},
                           [] {
                               local mine;
                               std::vector<miou::promise<void>> children;
                               for (int i = 0; i < 4; ++i)
                                   children.push_back(anywhere([&] {
                                       const auto near = miou::async([&] { mine.be_used(); });
                                       const auto deep = miou::async([&] {
                                           const auto deeper = miou::async([&] { mine.be_used(); });
                                           mine.be_used();
                                           miou::await_exn(deeper);
                                       });
                                       mine.be_used();
                                       miou::await_exn(near);
                                       miou::await_exn(deep);
                                   }));
                               mine.wait_for(4);
                               throw failure{};
                           }),
                 failure);
}

TEST(scope, children_that_have_not_started_never_touch_the_locals_of_a_parent_that_threw) {
    std::atomic<int> ran = 0;
    EXPECT_THROW(miou::run({.domains = test::domains()},
                           [&] {
                               local mine;
                               const auto child = miou::async([&] {
                                   ++ran;
                                   mine.be_used();
                               });
                               throw failure{};
                           }),
                 failure);
    EXPECT_EQ(ran, 0);
}

TEST(scope, a_parent_that_catches_its_exception_goes_on_without_a_broken_rule) {
    const int value = miou::run({.domains = test::domains()}, [] {
        try {
            local mine;
            const auto here = miou::async([&] { mine.be_used(); });
            const auto there = anywhere([&] { mine.be_used(); });
            mine.wait_for(2);
            throw failure{};
        } catch (const failure&) {
            miou::yield();
        }
        const auto next = miou::async([] { return 5; });
        return miou::await_exn(next);
    });
    EXPECT_EQ(value, 5);
}

TEST(scope, a_parent_that_is_cancelled_unwinds_its_children_before_its_locals) {
    miou::run({.domains = test::domains()}, [] {
        std::atomic<bool> ready = false;
        const auto parent = anywhere([&] {
            local mine;
            const auto first = miou::async([&] { mine.be_used(); });
            const auto second = miou::async([&] { mine.be_used(); });
            mine.wait_for(2);
            ready = true;
            miou::await_exn(first);
        });
        while (!ready)
            miou::yield();
        miou::cancel(parent);
        EXPECT_TRUE(test::failed_with<miou::cancelled>(miou::await(parent)));
    });
}

TEST(scope, a_failing_sibling_unwinds_the_rest_before_the_locals_die) {
    EXPECT_THROW(miou::run({.domains = test::domains()},
                           [] {
                               local mine;
                               std::vector<miou::promise<void>> children;
                               for (int i = 0; i < 8; ++i)
                                   children.push_back(anywhere([&] { mine.be_used(); }));
                               mine.wait_for(8);
                               children.push_back(miou::async([] { throw failure{}; }));
                               miou::await_exn(children.back());
                           }),
                 failure);
}

TEST(scope, a_parent_that_throws_in_a_constructor_unwinds_the_children_of_its_members) {
    struct service {
        local mine;
        miou::promise<void> worker = miou::async([this] { mine.be_used(); });
        service() {
            mine.wait_for(1);
            throw failure{};
        }
    };
    miou::run({.domains = test::domains()}, [] { EXPECT_THROW(service{}, failure); });
}

// --- Normal flow ---------------------------------------------------------------------------------

TEST(scope, dropping_the_last_handle_of_an_unfinished_child_cancels_it_waits_and_breaks_rule_1) {
    bool went_on = false;
    const std::string message = message_of_rule_1([&] {
        local mine;
        {
            const auto child = miou::async([&] { mine.be_used(); }, child_site);
            mine.wait_for(1);
        }
        EXPECT_EQ(mine.users(), 0);
        miou::yield();
        went_on = true;
    });
    EXPECT_TRUE(went_on);
    expect_named(message, "parent.cpp:11", "child.cpp:22");
}

TEST(scope, dropping_the_last_handle_of_a_child_on_another_domain_does_the_same) {
    const std::string message = message_of_rule_1(
        [] {
            local mine;
            {
                const auto child = miou::call([&] { mine.be_used(); }, child_site);
                mine.wait_for(1);
            }
            EXPECT_EQ(mine.users(), 0);
        },
        test::at_least(1));
    expect_named(message, "parent.cpp:11", "child.cpp:22");
}

TEST(scope, a_broken_rule_deep_in_another_domain_ends_the_run_and_names_its_tasks) {
    const std::string message = message_of_rule_1([] {
        const auto middle = anywhere([] {
            const auto culprit = miou::async(
                [] {
                    local mine;
                    {
                        const auto child = miou::async([&] { mine.be_used(); }, child_site);
                        mine.wait_for(1);
                    }
                },
                boost::source_location{"culprit.cpp", 33, "culprit"});
            miou::trigger never;
            if (const std::exception_ptr stop = never.await())
                std::rethrow_exception(stop);
            miou::await_exn(culprit);
        });
        miou::await_exn(middle);
    });
    expect_named(message, "culprit.cpp:33", "child.cpp:22");
}

TEST(scope, by_default_the_message_names_the_callers_file) {
    const std::string message =
        message_of_rule_1([] { static_cast<void>(miou::async([] { miou::yield(); })); });
    expect_named(message, "parent.cpp:11", "scope_test.cpp:");
}

TEST(scope, the_first_broken_rule_of_a_task_is_the_one_that_is_reported) {
    const std::string message = message_of_rule_1([] {
        static_cast<void>(miou::async([] { miou::yield(); }, child_site));
        static_cast<void>(miou::async([] { miou::yield(); }));
    });
    expect_named(message, "parent.cpp:11", "child.cpp:22");
}

TEST(scope, a_child_that_finished_but_was_never_awaited_breaks_rule_1) {
    expect_named(message_of_rule_1([] {
                     bool finished = false;
                     const auto child = miou::async([&] { finished = true; }, child_site);
                     while (!finished)
                         miou::yield();
                     miou::yield();
                     EXPECT_EQ(child.state(), miou::promise_state::finished);
                 }),
                 "parent.cpp:11", "child.cpp:22");
}

TEST(scope, a_child_that_failed_but_was_never_awaited_breaks_rule_1) {
    expect_named(message_of_rule_1([] {
                     const auto child = anywhere([] { throw failure{}; });
                     while (child.state() == miou::promise_state::running)
                         miou::yield();
                 }),
                 "parent.cpp:11", "scope_test.cpp:");
}

TEST(scope, a_broken_rule_is_forgiven_when_the_task_ends_by_an_exception) {
    EXPECT_THROW(miou::run({.domains = test::domains()},
                           [] {
                               static_cast<void>(miou::async([] { miou::yield(); }));
                               throw failure{};
                           }),
                 failure);
}

TEST(scope, children_that_were_awaited_or_cancelled_may_be_dropped) {
    miou::run({.domains = test::domains()}, [] {
        {
            local mine;
            const auto awaited = anywhere([] { miou::yield(); });
            const auto endless = anywhere([&] { mine.be_used(); });
            miou::await_exn(awaited);
            miou::cancel(endless);
        }
        miou::yield();
    });
}

// --- Handles -------------------------------------------------------------------------------------

TEST(scope, a_handle_that_is_not_the_last_one_may_be_dropped) {
    miou::run({.domains = test::domains()}, [] {
        std::optional<miou::promise<int>> first = anywhere([] {
            miou::yield();
            return 1;
        });
        const miou::promise<int> second = *first;
        first.reset();
        EXPECT_EQ(miou::await_exn(second), 1);
    });
}

TEST(scope, handles_may_be_moved_and_kept_in_containers) {
    miou::run({.domains = test::domains()}, [] {
        std::vector<miou::promise<int>> many;
        for (int i = 0; i < 100; ++i) // the vector reallocates meanwhile
            many.push_back(anywhere([i] {
                miou::yield();
                return i;
            }));
        std::optional<miou::promise<int>> last{std::move(many.back())};
        EXPECT_THROW(static_cast<void>(many.back().uid()), std::invalid_argument);
        many.pop_back();
        miou::promise<int> moved = std::move(*last);
        last.reset();
        last = std::move(moved);
        EXPECT_EQ(miou::await_exn(*last), 99);
        for (int i = 0; i < 99; ++i)
            EXPECT_EQ(miou::await_exn(many[static_cast<std::size_t>(i)]), i);
    });
}

TEST(scope, assigning_over_the_last_handle_of_an_unfinished_child_drops_it) {
    EXPECT_FALSE(message_of_rule_1([] {
                     local mine;
                     auto child = miou::async([&] { mine.be_used(); });
                     mine.wait_for(1);
                     child = miou::async([] {});
                     EXPECT_EQ(mine.users(), 0);
                     miou::await_exn(child);
                 }).empty());
}

TEST(scope, a_handle_that_lives_elsewhere_does_not_hide_a_broken_rule) {
    std::vector<miou::promise<void>> outside;
    local mine;
    expect_named(message_of_rule_1([&] {
                     outside.push_back(miou::async([&] { mine.be_used(); }, child_site));
                     outside.push_back(anywhere([&] { mine.be_used(); }));
                     mine.wait_for(2);
                 }),
                 "parent.cpp:11", "child.cpp:22");
    EXPECT_EQ(mine.users(), 0);
    for (const auto& each : outside)
        EXPECT_EQ(each.state(), miou::promise_state::exited);
}

TEST(scope, a_handle_moved_into_a_sibling_leaves_the_duty_with_the_parent) {
    local mine;
    expect_named(message_of_rule_1([&] {
                     auto child = miou::async([&] { mine.be_used(); }, child_site);
                     mine.wait_for(1);
                     const auto keeper = anywhere([kept = std::move(child)] {
                         EXPECT_THROW(static_cast<void>(miou::await(kept)), miou::not_a_child);
                         EXPECT_THROW(miou::cancel(kept), miou::not_a_child);
                     });
                     miou::await_exn(keeper);
                 }),
                 "parent.cpp:11", "child.cpp:22");
}

TEST(scope, copies_of_a_handle_may_be_dropped_by_other_tasks_and_threads_at_any_time) {
    miou::run({.domains = test::domains()}, [] {
        for (int round = 0; round < 50; ++round) {
            const auto child = anywhere([round] {
                miou::yield();
                return round;
            });
            std::thread dropper{[copy = child]() mutable { auto gone = std::move(copy); }};
            const auto sibling = anywhere([copy = child] { auto another = copy; });
            EXPECT_EQ(miou::await_exn(child), round);
            miou::await_exn(sibling);
            dropper.join();
        }
    });
}

TEST(scope, a_handle_may_outlive_its_run) {
    std::optional<miou::promise<std::string>> kept;
    miou::run({.domains = test::domains()}, [&] {
        kept = anywhere([] { return std::string{"value"}; });
        EXPECT_EQ(miou::await_exn(*kept), "value");
    });
    const auto copy = *kept;
    kept.reset();
    EXPECT_EQ(copy.state(), miou::promise_state::finished);
    std::thread{[copy] {}}.join();
}

// --- Orphans -------------------------------------------------------------------------------------

TEST(scope, orphans_destroyed_with_children_left_cancel_them_and_break_rule_1) {
    expect_named(message_of_rule_1([] {
                     local mine;
                     {
                         miou::orphans<void> left;
                         miou::async(
                             left, [&] { mine.be_used(); }, child_site);
                         for (int i = 0; i < 5; ++i)
                             miou::async(left, [&] { mine.be_used(); });
                         mine.wait_for(6);
                     }
                     EXPECT_EQ(mine.users(), 0);
                 }),
                 "parent.cpp:11", "child.cpp:22");
}

TEST(scope, orphans_destroyed_by_an_exception_unwind_their_children_first) {
    miou::run({.domains = test::at_least(1)}, [] {
        try {
            local mine;
            miou::orphans<void> left;
            miou::async(left, [&] { mine.be_used(); });
            miou::call(left, [&] { mine.be_used(); });
            mine.wait_for(2);
            throw failure{};
        } catch (const failure&) {
        }
    });
}

TEST(scope, orphans_that_hold_a_finished_child_break_rule_1_as_well) {
    EXPECT_FALSE(message_of_rule_1([] {
                     miou::orphans<int> left;
                     const auto child = miou::async(left, [] { return 1; });
                     while (child.state() == miou::promise_state::running)
                         miou::yield();
                 }).empty());
}

} // namespace
