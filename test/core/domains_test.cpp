// `call`, `parallel`, and the domains themselves.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/domain.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <ranges>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using test::at_least;
using test::contains;
using test::domains;
using test::failed_with;
using test::message_of;

TEST(call, runs_a_task) { // Miou test04
    miou::run({.domains = at_least(1)}, [] { miou::await_exn(miou::call([] {})); });
}

TEST(call, without_another_domain_is_an_error) { // Miou test14
    const std::string message = message_of<miou::no_domain_available>(
        [] { miou::run({.domains = 0}, [] { miou::await_exn(miou::call([] {})); }); });
    EXPECT_TRUE(contains(message, "miou::call")) << message;
}

TEST(call, from_the_only_other_domain_it_is_an_error) { // Miou test19
    EXPECT_THROW(
        miou::run({.domains = 1},
                  [] { miou::await_exn(miou::call([] { miou::await_exn(miou::call([] {})); })); }),
        miou::no_domain_available);
}

TEST(call, the_child_is_on_another_domain_than_its_parent) { // Miou test16
    for (int i = 0; i < 10; ++i)
        miou::run({.domains = at_least(2)}, [] {
            const auto p = miou::call([] {
                const auto mine = miou::domain::self();
                EXPECT_NE(miou::await_exn(miou::call([] { return miou::domain::self(); })), mine);
                return mine;
            });
            EXPECT_NE(miou::await_exn(p), miou::domain::self());
        });
}

TEST(call, a_domain_is_a_thread) { // Miou test21
    miou::run({.domains = at_least(2)}, [] {
        std::vector<std::thread::id> threads{std::this_thread::get_id()};
        for (const auto uid : miou::domain::all()) {
            const auto p = miou::call({.pin = uid}, [uid] {
                EXPECT_EQ(miou::domain::self(), uid);
                return std::this_thread::get_id();
            });
            threads.push_back(miou::await_exn(p));
        }
        EXPECT_EQ(std::set(threads.begin(), threads.end()).size(), threads.size());
    });
}

TEST(call, a_task_never_leaves_its_domain) {
    miou::run({.domains = at_least(2)}, [] {
        const auto stay = [] {
            const auto thread = std::this_thread::get_id();
            const auto uid = miou::domain::self();
            for (int i = 0; i < 20; ++i) {
                miou::await_exn(miou::call([] { miou::yield(); }));
                miou::await_exn(miou::async([=] { EXPECT_EQ(miou::domain::self(), uid); }));
                EXPECT_EQ(std::this_thread::get_id(), thread);
                EXPECT_EQ(miou::domain::self(), uid);
            }
        };
        const std::array children{miou::call(stay), miou::call(stay), miou::async(stay)};
        for (const auto& each : children)
            miou::await_exn(each);
    });
}

TEST(call, parent_and_child_run_in_parallel) {
    miou::run({.domains = at_least(1)}, [] {
        std::atomic<int> turn = 0; // neither task suspends
        const auto p = miou::call([&] {
            while (turn != 1)
                std::this_thread::yield();
            turn = 2;
        });
        turn = 1;
        while (turn != 2)
            std::this_thread::yield();
        miou::await_exn(p);
    });
}

TEST(call, domains_are_drawn_from_all_but_the_callers_and_dom0) {
    miou::run({.g = 1, .domains = at_least(3)}, [] {
        const auto draw = [] {
            std::set<miou::domain_uid> seen;
            for (int i = 0; i < 30; ++i)
                seen.insert(miou::await_exn(miou::call([] { return miou::domain::self(); })));
            return seen;
        };
        const auto all = miou::domain::all();
        EXPECT_EQ(draw(), std::set(all.begin(), all.end()));
        for (const auto uid : all) {
            auto others = std::set(all.begin(), all.end());
            others.erase(uid);
            EXPECT_EQ(miou::await_exn(miou::call({.pin = uid}, draw)), others);
        }
    });
}

TEST(call, the_same_seed_draws_the_same_domains) {
    const auto draw = [](std::uint64_t seed) {
        return miou::run({.g = seed, .domains = at_least(3)}, [] {
            std::vector<int> seen;
            for (int i = 0; i < 40; ++i)
                seen.push_back(
                    miou::await_exn(miou::call([] { return miou::domain::self().to_int(); })));
            return seen;
        });
    };
    EXPECT_EQ(draw(7), draw(7));
    EXPECT_NE(draw(7), draw(8));
}

TEST(call, a_pin_that_does_not_exist_or_is_dom0_or_the_callers_own_is_refused) {
    miou::run({.domains = at_least(2)}, [] {
        const auto refused = [](int number) {
            const std::string message = message_of<std::invalid_argument>([&] {
                static_cast<void>(miou::call({.pin = miou::domain_uid::of_int(number)}, [] {}));
            });
            EXPECT_TRUE(contains(message, std::to_string(number))) << message;
        };
        for (int number : {-1, 0, static_cast<int>(miou::domain::available()) + 1, 1'000'000})
            refused(number);
        miou::await_exn(miou::call([&] { refused(miou::domain::self().to_int()); }));
        miou::await_exn(miou::call([&] { refused(0); }));
    });
}

TEST(call, a_function_may_be_move_only) {
    miou::run({.domains = at_least(1)}, [] {
        auto p =
            miou::call([mine = std::make_unique<int>(3)]() mutable { return std::move(mine); });
        EXPECT_EQ(*miou::await_exn(std::move(p)), 3);
    });
}

TEST(domain, dom0_is_not_counted) {
    miou::run({.domains = domains()}, [] {
        EXPECT_EQ(miou::domain::self(), miou::domain_uid::of_int(0));
        const auto n = static_cast<std::size_t>(domains());
        EXPECT_EQ(miou::domain::available(), n);
        const auto all = miou::domain::all();
        ASSERT_EQ(all.size(), n);
        for (std::size_t i = 0; i < n; ++i)
            EXPECT_EQ(all[i].to_int(), static_cast<int>(i) + 1);
    });
}

TEST(domain, uids_compare_and_print) {
    const auto one = miou::domain_uid::of_int(1);
    EXPECT_LT(miou::domain_uid::of_int(0), one);
    EXPECT_EQ(one, miou::domain_uid::of_int(1));
    EXPECT_EQ((std::ostringstream{} << one).str(), "1");
}

TEST(domain, nothing_is_known_outside_of_a_task) {
    EXPECT_THROW(miou::domain::self(), miou::outside_of_task);
    EXPECT_THROW(miou::domain::available(), miou::outside_of_task);
    EXPECT_THROW(miou::domain::all(), miou::outside_of_task);
}

TEST(parallel, results_are_in_the_order_of_the_elements) {
    miou::run({.domains = at_least(1)}, [] {
        const auto squares = miou::parallel([](int n) { return n * n; }, std::views::iota(0, 20));
        ASSERT_EQ(squares.size(), 20u);
        for (std::size_t i = 0; i < 20; ++i)
            EXPECT_EQ(squares[i].value(), static_cast<int>(i * i));
    });
}

TEST(parallel, elements_are_dealt_round_robin_to_the_other_domains) {
    miou::run({.domains = at_least(3)}, [] {
        const auto where = [](int) { return miou::domain::self(); };
        const auto all = miou::domain::all();
        const auto from_dom0 = miou::parallel(where, std::views::iota(0, 9));
        for (std::size_t i = 0; i < from_dom0.size(); ++i)
            EXPECT_EQ(from_dom0[i].value(), all[i % all.size()]);
        miou::await_exn(miou::call({.pin = all[1]}, [&] {
            const auto from_dom2 = miou::parallel(where, {0, 1, 2, 3, 4, 5});
            auto others = all;
            others.erase(others.begin() + 1);
            for (std::size_t i = 0; i < from_dom2.size(); ++i)
                EXPECT_EQ(from_dom2[i].value(), others[i % others.size()]);
        }));
    });
}

TEST(parallel, failures_are_returned_beside_the_results) {
    miou::run({.domains = at_least(1)}, [] {
        const auto outcomes = miou::parallel(
            [](int n) {
                if (n == 1)
                    throw std::runtime_error{"one"};
                return n;
            },
            {0, 1, 2});
        EXPECT_EQ(outcomes[0].value(), 0);
        EXPECT_TRUE(failed_with<std::runtime_error>(outcomes[1]));
        EXPECT_EQ(outcomes[2].value(), 2);
    });
}

TEST(parallel, elements_and_results_may_be_move_only) {
    miou::run({.domains = at_least(1)}, [] {
        std::vector<std::unique_ptr<int>> elements;
        for (int i = 0; i < 4; ++i)
            elements.push_back(std::make_unique<int>(i));
        const auto doubled = miou::parallel(
            [](std::unique_ptr<int> n) {
                *n *= 2;
                return n;
            },
            std::move(elements) | std::views::transform([](auto& each) -> std::unique_ptr<int> {
                return std::move(each);
            }));
        for (std::size_t i = 0; i < 4; ++i)
            EXPECT_EQ(*doubled[i].value(), static_cast<int>(2 * i));
    });
}

TEST(parallel, void_functions_and_no_elements_are_fine) {
    miou::run({.domains = at_least(1)}, [] {
        std::atomic<int> sum = 0;
        EXPECT_EQ(miou::parallel([&](int n) { sum += n; }, {1, 2, 3}).size(), 3u);
        EXPECT_EQ(sum, 6);
        EXPECT_TRUE(miou::parallel([](int n) { return n; }, std::vector<int>{}).empty());
    });
}

TEST(parallel, without_another_domain_is_an_error) {
    const std::string message = message_of<miou::no_domain_available>(
        [] { miou::run({.domains = 0}, [] { miou::parallel([](int) {}, {1}); }); });
    EXPECT_TRUE(contains(message, "miou::parallel")) << message;
}

TEST(parallel, can_be_cancelled) {
    miou::run({.domains = at_least(1)}, [] {
        std::atomic<int> started = 0;
        const auto p = miou::async([&] {
            miou::parallel(
                [&](int) {
                    ++started;
                    test::forever();
                },
                {1, 2, 3});
        });
        test::yield_until([&] { return started == 3; });
        miou::cancel(p);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(p)));
    });
}

} // namespace
