// Values that the first task that needs them computes.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/lazy.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using test::domains;
using test::failed_with;

TEST(lazy, any_of_two_tasks_may_force_it) { // Miou test40
    std::set<int> winners;
    for (std::uint64_t seed = 0; seed < 100 && winners.size() < 2; ++seed)
        miou::run({.g = seed, .domains = test::at_least(1)}, [&] {
            auto value = miou::lazy<int>::from_fun([] { return 42; });
            // All run on the same domain in turn, so the end of the last one says that all have
            // finished.
            const miou::call_options there{.pin = miou::domain_uid::of_int(1)};
            const auto force = [&](int number) {
                return miou::call(there, [&value, number] {
                    return std::pair{number, value.force()};
                });
            };
            const auto p0 = force(0);
            const auto p1 = force(1);
            miou::await_exn(force(2));
            const auto [winner, seen] = miou::await_first({p0, p1}).value();
            EXPECT_EQ(seen, 42);
            winners.insert(winner);
        });
    EXPECT_EQ(winners, (std::set{0, 1}));
}

TEST(lazy, it_is_computed_once_for_tasks_of_all_domains) {
    miou::run({.domains = domains()}, [] {
        std::atomic<int> computed = 0;
        auto value = miou::lazy<std::string>::from_fun([&] {
            ++computed;
            for (int i = 0; i < 10; ++i)
                miou::yield();
            return std::string(50, 'x');
        });
        std::vector<miou::promise<const std::string*>> children;
        for (int i = 0; i < 12; ++i) {
            const auto force = [&] { return &value.force(); };
            children.push_back(i % 2 ? miou::async(force) : test::anywhere(force));
        }
        for (const auto& each : miou::await_all(children))
            EXPECT_EQ(each.value(), &value.force());
        EXPECT_EQ(computed, 1);
        EXPECT_EQ(value.force(), std::string(50, 'x'));
    });
}

TEST(lazy, it_is_not_computed_unless_forced) {
    bool computed = false;
    const auto value = miou::lazy<int>::from_fun([&] {
        computed = true;
        return 1;
    });
    EXPECT_FALSE(computed);
}

TEST(lazy, from_val_is_forced_already) {
    auto value = miou::lazy<std::unique_ptr<int>>::from_val(std::make_unique<int>(3));
    EXPECT_EQ(*value.force(), 3);
}

TEST(lazy, functions_and_values_may_be_move_only) {
    miou::run({.domains = domains()}, [] {
        auto value = miou::lazy<std::unique_ptr<int>>::from_fun(
            [mine = std::make_unique<int>(8)]() mutable { return std::move(mine); });
        EXPECT_EQ(*value.force(), 8);
        EXPECT_EQ(*value.force(), 8);
    });
}

TEST(lazy, an_exception_of_the_computation_is_thrown_by_every_force) {
    miou::run({.domains = domains()}, [] {
        int computed = 0;
        auto value = miou::lazy<int>::from_fun([&]() -> int {
            ++computed;
            throw std::runtime_error{"lazy"};
        });
        for (int i = 0; i < 3; ++i)
            EXPECT_THROW(value.force(), std::runtime_error);
        EXPECT_TRUE(
            failed_with<std::runtime_error>(miou::await(test::anywhere([&] { value.force(); }))));
        EXPECT_EQ(computed, 1);
    });
}

TEST(lazy, forcing_it_from_within_its_computation_is_an_error) {
    miou::run({.domains = domains()}, [] {
        std::unique_ptr<miou::lazy<int>> self;
        self.reset(new auto(miou::lazy<int>::from_fun([&] { return self->force(); })));
        EXPECT_THROW(self->force(), miou::undefined);
        EXPECT_THROW(self->force(), miou::undefined);
    });
}

TEST(lazy, one_lazy_may_force_another) {
    miou::run({.domains = domains()}, [] {
        auto inner = miou::lazy<int>::from_fun([] {
            miou::yield();
            return 2;
        });
        auto outer = miou::lazy<int>::from_fun([&] { return inner.force() + 1; });
        EXPECT_EQ(outer.force(), 3);
    });
}

TEST(lazy, a_cancelled_forcer_leaves_it_as_it_was) {
    miou::run({.domains = domains()}, [] {
        int computed = 0;
        bool may_finish = false;
        auto value = miou::lazy<int>::from_fun([&] {
            ++computed;
            test::yield_until([&] { return may_finish; });
            return 5;
        });
        const auto first = miou::async([&] { value.force(); });
        const auto second = miou::async([&] { return value.force(); });
        miou::yield();
        miou::cancel(first);
        miou::yield();
        EXPECT_EQ(second.state(), miou::promise_state::running);
        may_finish = true;
        EXPECT_EQ(miou::await_exn(second), 5);
        EXPECT_EQ(computed, 2);
    });
}

TEST(lazy, a_task_that_waits_for_the_forcer_may_be_cancelled) {
    miou::run({.domains = domains()}, [] {
        bool may_finish = false;
        auto value = miou::lazy<int>::from_fun([&] {
            test::yield_until([&] { return may_finish; });
            return 5;
        });
        const auto first = miou::async([&] { return value.force(); });
        const auto second = miou::async([&] { return value.force(); });
        miou::yield();
        miou::cancel(second);
        may_finish = true;
        EXPECT_EQ(miou::await_exn(first), 5);
    });
}

TEST(lazy, a_plain_thread_may_force_it_and_wait) {
    std::atomic<int> computed = 0;
    auto value = miou::lazy<int>::from_fun([&] {
        ++computed;
        return 6;
    });
    std::jthread thread{[&] { EXPECT_EQ(value.force(), 6); }};
    miou::run({.domains = domains()}, [&] {
        EXPECT_EQ(miou::await_exn(test::anywhere([&] { return value.force(); })), 6);
    });
    thread.join();
    EXPECT_EQ(computed, 1);
}

TEST(lazy, its_function_is_destroyed_once_it_is_forced) {
    miou::run({.domains = domains()}, [] {
        const auto captured = std::make_shared<int>(2);
        auto value = miou::lazy<int>::from_fun([captured] { return *captured; });
        EXPECT_EQ(value.force(), 2);
        EXPECT_EQ(captured.use_count(), 1);
    });
}

TEST(lazy, a_lazy_of_void_runs_its_function_once) {
    miou::run({.domains = domains()}, [] {
        int times = 0;
        auto once = miou::lazy<void>::from_fun([&] { ++times; });
        once.force();
        once.force();
        EXPECT_EQ(times, 1);
        miou::lazy<void>::from_val().force();
        auto failing = miou::lazy<void>::from_fun([] { throw 1; });
        EXPECT_THROW(failing.force(), int);
        EXPECT_THROW(failing.force(), int);
    });
}

TEST(lazy, may_be_moved_and_is_then_empty) {
    auto first = miou::lazy<int>::from_fun([] { return 1; });
    std::vector<miou::lazy<int>> all;
    all.push_back(std::move(first));
    EXPECT_EQ(all[0].force(), 1);
    EXPECT_THROW(first.force(), std::invalid_argument);
}

} // namespace
