// Tasks: the order in which they run, what they return, and what happens to forgotten ones.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/at_end.hpp"
#include "miou/computation.hpp"
#include "miou/mutex.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"
#include "miou/trigger.hpp"

#include <gtest/gtest.h>

#include <cfenv>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using test::contains;
using test::domains;
using test::failed_with;
using test::message_of;

TEST(task, a_child_runs_when_its_parent_waits) { // Miou test01
    std::string seen;
    miou::run({.domains = domains()}, [&] {
        const auto p = miou::async([&] { seen += "Hello\n"; });
        seen += "World\n";
        miou::await_exn(p);
    });
    EXPECT_EQ(seen, "World\nHello\n");
}

TEST(task, yield_lets_tasks_that_are_ready_run_first) { // Miou test10
    std::string seen;
    miou::run({.domains = domains()}, [&] {
        const auto p = miou::async([&] { seen += "Hello\n"; });
        miou::yield();
        seen += "World\n";
        miou::await_exn(p);
    });
    EXPECT_EQ(seen, "Hello\nWorld\n");
}

TEST(task, tasks_of_a_domain_take_turns_in_the_order_of_their_spawn) {
    std::string seen;
    miou::run({.domains = domains()}, [&] {
        std::vector<miou::promise<void>> children;
        for (char name : {'a', 'b', 'c'})
            children.push_back(miou::async([&seen, name] {
                for (int round = 0; round < 3; ++round) {
                    seen += name;
                    miou::yield();
                }
            }));
        miou::await_all(children);
    });
    EXPECT_EQ(seen, "abcabcabc");
}

TEST(task, a_forgotten_child_ends_the_run) { // Miou test02
    EXPECT_THROW(miou::run({.domains = domains()}, [] { const auto p = miou::async([] {}); }),
                 miou::still_has_children);
}

TEST(task, a_child_that_finished_but_was_not_awaited_is_forgotten_too) {
    EXPECT_THROW(miou::run({.domains = domains()},
                           [] {
                               const auto p = miou::async([] {});
                               miou::yield();
                               EXPECT_EQ(p.state(), miou::promise_state::finished);
                           }),
                 miou::still_has_children);
}

TEST(task, a_broken_rule_of_a_nested_task_ends_the_run_with_names_and_places) {
    std::string parent_name;
    std::string child_name;
    const std::string message = message_of<miou::still_has_children>([&] {
        miou::run({.domains = domains()}, [&] {
            const auto parent = test::anywhere([&] {
                const auto forgotten = miou::async([] {});
                child_name = (std::ostringstream{} << forgotten).str();
            });
            parent_name = (std::ostringstream{} << parent).str();
            EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(parent)));
        });
    });
    for (const std::string& name : {parent_name, child_name}) {
        EXPECT_TRUE(contains(name, "task_test.cpp:")) << name;
        EXPECT_TRUE(contains(message, name)) << message;
    }
}

TEST(task, a_broken_rule_is_thrown_in_preference_to_what_the_root_throws) {
    EXPECT_THROW(miou::run({.domains = domains()},
                           [] {
                               const auto p =
                                   miou::async([] { const auto q = miou::async([] {}); });
                               miou::await_exn(p);
                           }),
                 miou::still_has_children);
}

TEST(task, a_failing_task_may_forget_its_children) { // Miou test08
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async([] {
            const auto forgotten = miou::async([] {});
            miou::yield();
            throw std::runtime_error{"t08"};
        });
        const auto outcome = miou::await(p);
        ASSERT_TRUE(failed_with<std::runtime_error>(outcome));
        EXPECT_EQ(message_of<std::runtime_error>([&] { outcome.value(); }), "t08");
    });
}

TEST(task, the_children_of_a_failing_task_are_cancelled_on_every_domain) { // Miou test20
    miou::run({.domains = test::at_least(2)}, [] {
        const auto p = miou::call([] {
            const auto forgotten = miou::call(test::forever);
            throw std::runtime_error{"foo"};
        });
        EXPECT_TRUE(failed_with<std::runtime_error>(miou::await(p)));
    });
}

TEST(task, a_promise_that_leaves_its_parent_is_a_forgotten_child) { // Miou test15
    EXPECT_THROW(miou::run({.domains = domains()},
                           [] {
                               const auto p0 = miou::async([] { return miou::async([] {}); });
                               const auto p1 = miou::await_exn(p0);
                               miou::await_exn(p1);
                           }),
                 miou::still_has_children);
}

TEST(task, a_child_never_outlives_what_it_captured_by_reference) {
    bool unwound = false;
    const auto parent = [&] {
        int local = 0;
        const auto child = test::anywhere([&] {
            const miou::at_end leaving{[&] { unwound = true; }};
            for (;;) {
                ++local;
                miou::yield();
            }
        });
        miou::yield();
        throw std::runtime_error{"parent"};
    };
    for (int i = 0; i < 20; ++i) {
        EXPECT_THROW(miou::run({.domains = domains()}, parent), std::runtime_error);
        unwound = false;
    }
}

TEST(task, replacing_the_last_handle_of_a_running_child_waits_for_it_and_breaks_rule_1) {
    EXPECT_THROW(miou::run({.domains = domains()},
                           [] {
                               bool first_is_gone = false;
                               auto p = miou::async([&] {
                                   try {
                                       test::forever();
                                   } catch (const miou::cancelled&) {
                                       first_is_gone = true;
                                       throw;
                                   }
                               });
                               miou::yield();
                               p = miou::async([] {});
                               EXPECT_TRUE(first_is_gone);
                               miou::await_exn(p);
                           }),
                 miou::still_has_children);
}

TEST(task, handles_may_be_copied_and_dropped_on_any_thread) {
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async([] { return 7; });
        std::thread{[copy = p] { EXPECT_EQ(copy.state(), miou::promise_state::running); }}.join();
        auto q = p;
        const auto& same = q;
        q = same;
        auto r = std::move(q);
        EXPECT_EQ(r.uid(), p.uid());
        EXPECT_EQ(miou::await_exn(r), 7);
    });
}

TEST(task, functions_and_results_may_be_move_only) {
    miou::run({.domains = domains()}, [] {
        auto p = test::anywhere([mine = std::make_unique<int>(41)]() mutable {
            ++*mine;
            return std::move(mine);
        });
        const std::unique_ptr<int> value = miou::await_exn(std::move(p));
        EXPECT_EQ(*value, 42);
    });
}

TEST(task, the_root_may_be_move_only_too) {
    const auto value =
        miou::run({.domains = domains()},
                  [mine = std::make_unique<int>(1)]() mutable { return std::move(mine); });
    EXPECT_EQ(*value, 1);
}

TEST(task, a_function_is_called_as_an_rvalue_once) {
    struct once {
        std::string operator()() && { return "rvalue"; }
    };
    miou::run({.domains = domains()},
              [] { EXPECT_EQ(miou::await_exn(miou::async(once{})), "rvalue"); });
}

TEST(task, a_reference_is_returned_as_a_copy) {
    miou::run({.domains = domains()}, [] {
        std::string original = "x";
        const auto p = miou::async([&]() -> std::string& { return original; });
        const std::string copy = miou::await_exn(p);
        original = "y";
        EXPECT_EQ(copy, "x");
        EXPECT_EQ(miou::await_exn(p), "x");
    });
}

struct copy_throws {
    copy_throws() = default;
    copy_throws(copy_throws&&) noexcept = default;
    copy_throws(const copy_throws&) { throw std::runtime_error{"copy"}; }
};

TEST(task, await_throws_what_copying_the_result_throws) {
    miou::run({.domains = domains()}, [] {
        auto p = test::anywhere([] { return copy_throws{}; });
        EXPECT_THROW(static_cast<void>(miou::await(p)), std::runtime_error);
        EXPECT_THROW(static_cast<void>(miou::await(p)), std::runtime_error);
        EXPECT_TRUE(miou::await(std::move(p)).has_value());
    });
}

TEST(task, async_throws_what_moving_the_function_throws) {
    struct move_throws {
        move_throws() = default;
        move_throws(move_throws&&) { throw std::runtime_error{"move"}; }
        void operator()() {}
    };
    miou::run({.domains = domains()}, [] {
        EXPECT_THROW(static_cast<void>(miou::async(move_throws{})), std::runtime_error);
    });
}

TEST(task, the_function_is_destroyed_when_the_task_finishes) {
    miou::run({.domains = domains()}, [] {
        const auto captured = std::make_shared<int>();
        const auto p = test::anywhere([captured] {});
        miou::await_exn(p);
        EXPECT_EQ(captured.use_count(), 1);
    });
}

TEST(task, the_state_goes_from_running_to_finished_or_exited) {
    miou::run({.domains = domains()}, [] {
        const auto good = test::anywhere([] {});
        const auto bad = test::anywhere([] { throw 1; });
        const auto stopped = miou::async(test::forever);
        EXPECT_EQ(stopped.state(), miou::promise_state::running);
        EXPECT_TRUE(miou::await(good).has_value());
        EXPECT_TRUE(failed_with<int>(miou::await(bad)));
        EXPECT_EQ(good.state(), miou::promise_state::finished);
        EXPECT_EQ(bad.state(), miou::promise_state::exited);
        EXPECT_EQ(stopped.state(), miou::promise_state::running);
        miou::cancel(stopped);
        EXPECT_EQ(stopped.state(), miou::promise_state::exited);
    });
}

TEST(task, a_task_is_named_by_its_number_and_the_place_of_its_spawn) {
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async([] {});
        const std::string line = std::to_string(__LINE__ - 1);
        const std::string name = (std::ostringstream{} << p).str();
        EXPECT_TRUE(name.starts_with("task " + std::to_string(p.uid().to_int()) + " (spawned at "))
            << name;
        EXPECT_TRUE(name.ends_with("task_test.cpp:" + line + ")")) << name;
        miou::await_exn(p);
    });
}

TEST(task, no_two_tasks_have_the_same_number) {
    miou::run({.domains = test::at_least(1)}, [] {
        const auto spawn_many = [] {
            std::set<miou::promise_uid> seen;
            for (int i = 0; i < 50; ++i) {
                const auto p = miou::async([] {});
                seen.insert(p.uid());
                miou::await_exn(p);
            }
            return seen;
        };
        auto elsewhere = miou::call(spawn_many);
        std::set<miou::promise_uid> all = spawn_many();
        all.merge(miou::await_exn(std::move(elsewhere)));
        EXPECT_EQ(all.size(), 100u);
    });
}

TEST(task, a_promise_that_was_moved_from_is_refused) {
    miou::run({.domains = domains()}, [] {
        auto p = miou::async([] { return 1; });
        const auto q = std::move(p);
        EXPECT_THROW(static_cast<void>(p.uid()), std::invalid_argument);
        EXPECT_THROW(static_cast<void>(p.state()), std::invalid_argument);
        EXPECT_THROW(static_cast<void>(miou::await(p)), std::invalid_argument);
        EXPECT_THROW(miou::cancel(p), std::invalid_argument);
        EXPECT_THROW(static_cast<void>(miou::await_one({q, p})), std::invalid_argument);
        EXPECT_THROW(std::ostringstream{} << p, std::invalid_argument);
        EXPECT_EQ(miou::await_exn(q), 1);
    });
}

TEST(task, nothing_works_outside_of_a_task) {
    std::vector<miou::promise<int>> kept;
    miou::run({.domains = domains()}, [&] {
        kept.push_back(miou::async([] { return 3; }));
        miou::await_exn(kept.front());
    });
    EXPECT_EQ(kept.front().state(), miou::promise_state::finished);
    EXPECT_THROW(static_cast<void>(miou::async([] {})), miou::outside_of_task);
    EXPECT_THROW(static_cast<void>(miou::call([] {})), miou::outside_of_task);
    EXPECT_THROW(static_cast<void>(miou::await(kept.front())), miou::outside_of_task);
    EXPECT_THROW(static_cast<void>(miou::await_one(kept)), miou::outside_of_task);
    EXPECT_THROW(static_cast<void>(miou::await_first(kept)), miou::outside_of_task);
    EXPECT_THROW(miou::await_all(kept), miou::outside_of_task);
    EXPECT_THROW(miou::cancel(kept.front()), miou::outside_of_task);
    EXPECT_THROW(miou::parallel([](int) {}, {1}), miou::outside_of_task);
    EXPECT_THROW(miou::yield(), miou::outside_of_task);
    EXPECT_THROW(miou::uncancellable([] {}), miou::outside_of_task);
    const std::string message = message_of<miou::outside_of_task>([] { miou::consume_budget(); });
    EXPECT_TRUE(contains(message, "miou::consume_budget")) << message;
    const std::string named =
        message_of<miou::outside_of_task>([] { miou::consume_budget("a_library::read"); });
    EXPECT_TRUE(contains(named, "a_library::read")) << named;
}

TEST(task, a_task_whose_calls_never_park_lets_others_run_when_its_budget_is_used_up) {
    constexpr int quanta = 5;
    miou::run({.quanta = quanta, .domains = domains()}, [] {
        bool other_ran = false;
        const auto other = miou::async([&] { other_ran = true; });
        for (int calls = 0; !other_ran; ++calls) {
            ASSERT_LE(calls, quanta + 1);
            EXPECT_EQ(other.state(), miou::promise_state::running);
            miou::consume_budget();
        }
        miou::await_exn(other);
    });
}

TEST(task, generations_may_be_deep) {
    struct nest {
        int depth;
        int operator()() const {
            return depth == 0 ? 0 : 1 + miou::await_exn(test::anywhere(nest{depth - 1}));
        }
    };
    EXPECT_EQ(miou::run({.domains = domains()}, nest{100}), 100);
}

TEST(task, calls_that_need_not_wait_let_others_run_from_time_to_time) {
    // Otherwise a loop of any of these calls would occupy its domain forever.
    const auto lets_others_run = [](auto call) {
        miou::run({.quanta = 5, .domains = domains()}, [&] {
            const auto finished = miou::async([] {});
            miou::await_exn(finished);
            bool other_ran = false;
            const auto other = miou::async([&] { other_ran = true; });
            for (int calls = 0; !other_ran; ++calls) {
                ASSERT_LE(calls, 6);
                call(finished);
            }
            miou::await_exn(other);
        });
    };
    lets_others_run([](const auto& finished) { miou::await_exn(finished); });
    lets_others_run([](const auto& finished) { miou::await_one({finished}).value(); });
    lets_others_run([guard = std::make_shared<miou::mutex>()](const auto&) {
        guard->lock();
        guard->unlock();
    });
    miou::computation<int> complete;
    complete.try_return(1);
    lets_others_run([&](const auto&) { complete.await_exn(); });
    miou::trigger signaled;
    signaled.signal();
    lets_others_run([&](const auto&) { signaled.await(); });
}

TEST(task, it_starts_with_the_default_floating_point_environment) {
    miou::run({.domains = domains()}, [] {
        const auto rounding = [] { return std::fegetround(); };
        const auto careless = test::anywhere([&] {
            std::fesetround(FE_UPWARD);
            const auto child = miou::async(rounding);
            return miou::await_exn(child);
        });
        EXPECT_EQ(miou::await_exn(careless), FE_TONEAREST);
        EXPECT_EQ(miou::await_exn(test::anywhere(rounding)), FE_TONEAREST); // on the same stack
    });
}

TEST(task, its_floating_point_environment_survives_suspensions) {
    miou::run({.domains = domains()}, [] {
        const auto task = miou::async([] {
            std::fesetround(FE_DOWNWARD);
            miou::yield();
            return std::fegetround();
        });
        miou::yield();
        EXPECT_EQ(std::fegetround(), FE_TONEAREST);
        EXPECT_EQ(miou::await_exn(task), FE_DOWNWARD);
    });
}

} // namespace
