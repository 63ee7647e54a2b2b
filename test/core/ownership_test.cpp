// Resources: finalised on failure, cancellation and leak; handed to children and parents.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/ownership.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace {

using test::contains;
using test::domains;
using test::failed_with;
using test::message_of;

/// A resource that says when it is finalised.
auto noting(std::string& said) {
    return miou::ownership{[&said] { said += "Resource released"; }};
}

TEST(ownership, a_failing_owner_releases) { // Miou test35
    std::string said;
    const std::string message = message_of<std::runtime_error>([&] {
        miou::run({.domains = domains()}, [&] {
            miou::await_exn(miou::async([&] {
                auto r = noting(said);
                r.own();
                throw std::runtime_error{"p"};
            }));
        });
    });
    EXPECT_EQ(message, "p");
    EXPECT_EQ(said, "Resource released");
}

TEST(ownership, a_leak_releases_and_ends_the_run) { // Miou test36
    std::string said;
    const std::string message = message_of<miou::resource_leaked>([&] {
        miou::run({.domains = domains()}, [&] {
            miou::await_exn(miou::async([&] {
                auto r = noting(said);
                r.own();
            }));
        });
    });
    EXPECT_EQ(said, "Resource released");
    EXPECT_TRUE(contains(message, "ownership_test.cpp:")) << message;
}

TEST(ownership, what_was_disowned_is_not_released) { // Miou test37
    std::string said;
    miou::run({.domains = domains()}, [&] {
        miou::await_exn(miou::async([&] {
            auto r = noting(said);
            r.own();
            r.disown();
        }));
    });
    EXPECT_EQ(said, "");
}

TEST(ownership, what_nobody_owned_is_not_released) {
    std::string said;
    miou::run({.domains = domains()}, [&] { const auto r = noting(said); });
    EXPECT_EQ(said, "");
}

TEST(ownership, a_cancelled_owner_releases_on_its_own_domain) {
    miou::run({.domains = domains()}, [] {
        std::thread::id owner;
        std::thread::id finaliser;
        std::atomic<bool> owned = false;
        const auto p = test::anywhere([&] {
            miou::ownership r{[&] { finaliser = std::this_thread::get_id(); }};
            r.own();
            owner = std::this_thread::get_id();
            owned = true;
            test::forever();
        });
        test::yield_until([&] { return owned.load(); });
        miou::cancel(p);
        EXPECT_EQ(finaliser, owner);
    });
}

TEST(ownership, the_finaliser_runs_after_the_children_of_the_owner_have_unwound) {
    std::string said;
    miou::run({.domains = domains()}, [&] {
        const auto p = miou::async([&] {
            auto r = noting(said);
            r.own();
            const auto child = test::anywhere([&] {
                try {
                    test::forever();
                } catch (const miou::cancelled&) {
                    said += "child, ";
                    throw;
                }
            });
            miou::yield();
            test::forever();
        });
        for (int i = 0; i < 5; ++i)
            miou::yield();
        miou::cancel(p);
    });
    EXPECT_TRUE(said.ends_with("Resource released")) << said;
}

TEST(ownership, finalisers_run_newest_first_and_one_that_throws_does_not_stop_the_others) {
    std::string said;
    miou::run({.domains = domains()}, [&] {
        const auto p = miou::async([&] {
            miou::ownership a{std::string{"a"}, [&](const std::string& value) { said += value; }};
            miou::ownership b{std::string{"b"}, [&](const std::string& value) {
                                  said += value;
                                  throw std::runtime_error{"finaliser"};
                              }};
            miou::ownership c{std::string{"c"}, [&](const std::string& value) { said += value; }};
            for (auto* each : {&a, &b, &c})
                each->own();
            throw 1;
        });
        EXPECT_TRUE(failed_with<int>(miou::await(p)));
    });
    EXPECT_EQ(said, "cba");
}

TEST(ownership, release_runs_the_finaliser_once) {
    std::string said;
    miou::run({.domains = domains()}, [&] {
        auto r = noting(said);
        r.own();
        r.release();
        EXPECT_EQ(said, "Resource released");
        EXPECT_THROW(r.release(), miou::not_owner);
    });
    EXPECT_EQ(said, "Resource released");
}

TEST(ownership, what_the_finaliser_throws_is_thrown_by_release_which_counts) {
    miou::run({.domains = domains()}, [] {
        miou::ownership r{[] { throw std::runtime_error{"finaliser"}; }};
        r.own();
        EXPECT_THROW(r.release(), std::runtime_error);
        EXPECT_THROW(r.check(), miou::not_owner);
    });
}

TEST(ownership, what_was_disowned_may_be_owned_again) {
    std::string said;
    miou::run({.domains = domains()}, [&] {
        auto r = noting(said);
        r.own();
        r.disown();
        r.own();
        r.check();
        r.release();
    });
    EXPECT_EQ(said, "Resource released");
}

TEST(ownership, owning_twice_and_using_what_another_owns_is_refused) {
    miou::run({.domains = domains()}, [] {
        miou::ownership r{[] {}};
        EXPECT_THROW(r.check(), miou::not_owner);
        EXPECT_THROW(r.disown(), miou::not_owner);
        r.own();
        EXPECT_THROW(r.own(), std::invalid_argument);
        miou::await_exn(test::anywhere([r]() mutable {
            EXPECT_THROW(r.own(), miou::not_owner);
            EXPECT_THROW(r.check(), miou::not_owner);
            EXPECT_THROW(r.disown(), miou::not_owner);
            EXPECT_THROW(r.release(), miou::not_owner);
            const std::string message = message_of<miou::not_owner>([&] { r.transfer(); });
            EXPECT_TRUE(contains(message, "ownership_test.cpp:")) << message;
        }));
        r.check();
        r.disown();
    });
}

TEST(ownership, copies_name_the_same_resource) {
    std::string said;
    miou::run({.domains = domains()}, [&] {
        auto r = noting(said);
        auto copy = r;
        r.own();
        copy.check();
        copy.release();
        EXPECT_THROW(r.check(), miou::not_owner);
    });
    EXPECT_EQ(said, "Resource released");
}

TEST(ownership, values_and_finalisers_may_be_move_only) {
    int seen = 0;
    miou::run({.domains = domains()}, [&] {
        miou::ownership r{std::make_unique<int>(3),
                          [&seen, mine = std::make_unique<int>(4)](
                              const std::unique_ptr<int>& value) { seen = *value + *mine; }};
        r.own();
        r.release();
    });
    EXPECT_EQ(seen, 7);
}

TEST(ownership, transfer_makes_the_parent_the_owner_on_whichever_domain) {
    std::string said;
    miou::run({.domains = domains()}, [&] {
        auto r = noting(said);
        miou::await_exn(test::anywhere([&] {
            miou::await_exn(test::anywhere([&] {
                r.own();
                r.transfer();
                EXPECT_THROW(r.check(), miou::not_owner);
            }));
            r.check();
            r.transfer();
        }));
        r.check();
        EXPECT_EQ(said, "");
        r.release();
    });
    EXPECT_EQ(said, "Resource released");
}

TEST(ownership, what_was_transferred_and_not_released_is_leaked_by_the_parent) {
    std::string said;
    EXPECT_THROW(miou::run({.domains = domains()},
                           [&] {
                               miou::await_exn(test::anywhere([&] {
                                   auto r = noting(said);
                                   r.own();
                                   r.transfer();
                               }));
                           }),
                 miou::resource_leaked);
    EXPECT_EQ(said, "Resource released");
}

TEST(ownership, the_root_cannot_transfer) {
    miou::run({.domains = domains()}, [] {
        miou::ownership r{[] {}};
        r.own();
        EXPECT_THROW(r.transfer(), std::invalid_argument);
        r.check();
        r.disown();
    });
}

TEST(ownership, give_makes_the_child_the_owner) {
    std::string said;
    miou::run({.domains = test::at_least(1)}, [&] {
        auto mine = noting(said);
        mine.own();
        const auto nobodys = noting(said);
        const auto use = [&, mine, nobodys]() mutable {
            mine.check();
            mine.transfer();
            nobodys.check();
            auto copy = nobodys;
            copy.release();
        };
        const auto p = miou::async({.give = {mine, nobodys}}, use);
        EXPECT_THROW(mine.check(), miou::not_owner);
        miou::await_exn(p);
        mine.check();
        const auto q = miou::call({.give = {mine, nobodys}}, use);
        EXPECT_THROW(mine.check(), miou::not_owner);
        miou::await_exn(q);
        mine.disown();
    });
    EXPECT_EQ(said, "Resource releasedResource released");
}

TEST(ownership, what_was_given_to_a_child_that_never_runs_is_released) {
    std::string said;
    miou::run({.domains = domains()}, [&] {
        auto r = noting(said);
        r.own();
        const auto p = miou::async({.give = {r}}, [] {});
        miou::cancel(p);
    });
    EXPECT_EQ(said, "Resource released");
}

TEST(ownership, giving_what_another_task_owns_is_refused_and_spawns_nothing) {
    miou::run({.domains = test::at_least(1)}, [] {
        miou::ownership r{[] {}};
        r.own();
        miou::await_exn(miou::async([&] {
            miou::ownership mine{[] {}};
            mine.own();
            EXPECT_THROW(static_cast<void>(miou::async({.give = {mine, r}}, [] {})),
                         miou::not_owner);
            EXPECT_THROW(static_cast<void>(miou::call({.give = {mine, r}}, [] {})),
                         miou::not_owner);
            mine.check();
            mine.disown();
        }));
        r.disown();
    });
}

TEST(ownership, the_same_resource_may_be_given_twice_at_once) {
    std::string said;
    miou::run({.domains = domains()}, [&] {
        auto r = noting(said);
        r.own();
        miou::await_exn(miou::async({.give = {r, r}}, [r]() mutable { r.release(); }));
    });
    EXPECT_EQ(said, "Resource released");
}

TEST(ownership, members_need_a_running_task) {
    miou::ownership r{[] {}};
    EXPECT_THROW(r.own(), miou::outside_of_task);
    EXPECT_THROW(r.disown(), miou::outside_of_task);
    EXPECT_THROW(r.release(), miou::outside_of_task);
    EXPECT_THROW(r.transfer(), miou::outside_of_task);
    EXPECT_THROW(r.check(), miou::outside_of_task);
}

TEST(ownership, giving_that_fails_half_way_restores_who_had_each) {
    miou::run({.domains = domains()}, [] {
        miou::ownership nobodys{[] {}};
        miou::ownership mine{[] {}};
        miou::ownership contested{[] {}};
        mine.own();
        bool over = false;
        const auto rival = miou::async([&] {
            contested.own();
            test::yield_until([&] { return over; });
            contested.disown();
        });
        // Moving it happens between the look at what is given and the giving.
        struct suspends_when_moved {
            suspends_when_moved() = default;
            suspends_when_moved(suspends_when_moved&&) { miou::yield(); }
            void operator()() const {}
        };
        EXPECT_THROW(static_cast<void>(
                         miou::async({.give = {nobodys, mine, contested}}, suspends_when_moved{})),
                     miou::not_owner);
        mine.check();
        mine.disown();
        nobodys.own();
        nobodys.disown();
        over = true;
        miou::await_exn(rival);
    });
}

TEST(ownership, one_that_was_moved_from_says_so) {
    miou::run({.domains = domains()}, [] {
        std::string said;
        auto from = noting(said);
        const miou::ownership into = std::move(from);
        const auto refuses = [](auto fn) {
            EXPECT_EQ(message_of<std::invalid_argument>(fn), "miou: this ownership was moved from");
        };
        refuses([&] { from.own(); });
        refuses([&] { from.disown(); });
        refuses([&] { from.release(); });
        refuses([&] { from.transfer(); });
        refuses([&] { from.check(); });
        refuses([&] { static_cast<void>(miou::async({.give = {from}}, [] {})); });
        into.own();
        into.release();
        EXPECT_EQ(said, "Resource released");
    });
}

} // namespace
