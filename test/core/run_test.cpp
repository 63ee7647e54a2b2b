// `run`: its options, its environment variables, and how it ends.

#include "support/counted.hpp"
#include "support/domains.hpp"
#include "support/environment.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/at_end.hpp"
#include "miou/orphans.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using test::contains;
using test::domains;
using test::message_of;

TEST(run, returns_what_its_function_returns) {
    EXPECT_EQ(miou::run({.domains = domains()}, [] { return std::string{"value"}; }), "value");
    EXPECT_EQ(miou::run([] { return 3; }), 3);
}

TEST(run, throws_what_its_function_throws) {
    EXPECT_THROW(miou::run({.domains = domains()}, [] { throw std::runtime_error{"x"}; }),
                 std::runtime_error);
    EXPECT_THROW(miou::run({.domains = domains()}, [] { throw 3; }), int);
}

TEST(run, throws_after_everything_has_unwound) {
    std::atomic<int> open = 0;
    const auto leave_children = [&] {
        const test::counted mine{open};
        std::vector<miou::promise<void>> children;
        for (int i = 0; i < 10; ++i)
            children.push_back(test::anywhere([&] {
                const test::counted its{open};
                test::forever();
            }));
        miou::yield();
        throw std::runtime_error{"root"};
    };
    EXPECT_THROW(miou::run({.domains = domains()}, leave_children), std::runtime_error);
    EXPECT_EQ(open, 0);
}

TEST(run, may_be_called_again) {
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(miou::run({.domains = domains()},
                            [i] { return miou::await_exn(test::anywhere([i] { return i; })); }),
                  i);
}

TEST(run, may_be_called_inside_a_task) {
    miou::run({.domains = domains()}, [] {
        const auto nested = [] {
            const auto outer = std::this_thread::get_id();
            const int value = miou::run({.domains = domains()}, [&] {
                EXPECT_EQ(miou::domain::self().to_int(), 0);
                EXPECT_EQ(std::this_thread::get_id(), outer);
                return miou::await_exn(test::anywhere([] {
                    miou::yield();
                    return 5;
                }));
            });
            miou::yield();
            return value;
        };
        const auto p = test::anywhere(nested);
        const auto q = miou::async(nested);
        EXPECT_EQ(nested(), 5);
        EXPECT_EQ(miou::await_exn(p), 5);
        EXPECT_EQ(miou::await_exn(q), 5);
    });
}

TEST(run, what_a_nested_run_throws_is_an_ordinary_exception) {
    miou::run({.domains = domains()}, [] {
        EXPECT_THROW(miou::run({.domains = domains()}, [] { const auto p = miou::async([] {}); }),
                     miou::still_has_children);
        EXPECT_THROW(miou::run({.domains = 0}, [] { throw 1; }), int);
        miou::yield();
    });
}

TEST(run, may_be_called_by_a_destructor_that_unwinds) {
    int value = 0;
    const auto unwind = [&] {
        const miou::at_end runs{[&] {
            value = miou::run({.domains = domains()},
                              [] { return miou::await_exn(test::anywhere([] { return 8; })); });
        }};
        throw 1;
    };
    EXPECT_THROW(unwind(), int);
    EXPECT_EQ(value, 8);
}

TEST(run, several_threads_may_run_at_once) {
    std::vector<std::jthread> threads;
    for (int n = 0; n < 4; ++n)
        threads.emplace_back([n] {
            for (int i = 0; i < 5; ++i)
                EXPECT_EQ(miou::run({.domains = domains()},
                                    [n] {
                                        const auto p = test::anywhere([n] {
                                            miou::yield();
                                            return n;
                                        });
                                        miou::yield();
                                        return miou::await_exn(p);
                                    }),
                          n);
        });
}

TEST(run, the_same_seed_makes_the_same_run) {
    const auto draws = [](std::uint64_t seed) {
        return miou::run({.g = seed, .domains = 0}, [] {
            std::vector<std::uint64_t> seen;
            for (int i = 0; i < 50; ++i) {
                std::vector<miou::promise<int>> children;
                for (int n = 0; n < 4; ++n)
                    children.push_back(miou::async([n] { return n; }));
                seen.push_back(children.front().uid().to_int());
                miou::yield();
                seen.push_back(static_cast<std::uint64_t>(miou::await_first(children).value()));
            }
            return seen;
        });
    };
    EXPECT_EQ(draws(1), draws(1));
    EXPECT_NE(draws(1), draws(2));
}

TEST(run, an_option_that_is_out_of_range_is_refused) {
    const auto refused = [](const char* name, auto make_options) {
        bool ran = false;
        const std::string message = message_of<std::invalid_argument>(
            [&] { miou::run(make_options(), [&] { ran = true; }); });
        EXPECT_TRUE(contains(message, name)) << message;
        EXPECT_FALSE(ran);
    };
    for (int bad : {-1, 1024, 1'000'000})
        refused(".domains", [=] { return miou::run_options{.domains = bad}; });
    for (int bad : {0, -1, 2'000'000'000})
        refused(".quanta", [=] { return miou::run_options{.quanta = bad, .domains = 0}; });
    for (int bad : {0, -1, 2'000'000'000})
        refused(".poll", [=] { return miou::run_options{.poll = bad, .domains = 0}; });
}

TEST(run, an_environment_variable_that_is_malformed_or_out_of_range_is_refused) {
    for (const char* name : {"MIOU_DOMAINS", "MIOU_QUANTA", "MIOU_POLL", "MIOU_MPROTECT"})
        for (const char* value :
             {"", "x", "1x", " 1", "1 ", "+1", "-1", "0x1", "1.0", "99999999999", "2000000000"}) {
            const test::environment_variable bad{name, value};
            bool ran = false;
            const std::string message =
                message_of<std::invalid_argument>([&] { miou::run([&] { ran = true; }); });
            EXPECT_TRUE(contains(message, name)) << message;
            EXPECT_TRUE(contains(message, "\"" + std::string{value} + "\"")) << message;
            EXPECT_FALSE(ran);
        }
    for (const char* name : {"MIOU_QUANTA", "MIOU_POLL"}) {
        const test::environment_variable zero{name, "0"};
        EXPECT_THROW(miou::run([] {}), std::invalid_argument);
    }
}

TEST(run, a_malformed_environment_is_refused_even_where_an_option_overrides_it) {
    const test::environment_variable bad{"MIOU_DOMAINS", "many"};
    EXPECT_THROW(miou::run({.domains = 0}, [] {}), std::invalid_argument);
}

TEST(run, the_environment_sets_the_number_of_domains_unless_an_option_does) {
    const test::environment_variable two{"MIOU_DOMAINS", "2"};
    EXPECT_EQ(miou::run([] { return miou::domain::available(); }), 2u);
    EXPECT_EQ(miou::run({.domains = 1}, [] { return miou::domain::available(); }), 1u);
}

TEST(run, the_environment_sets_the_budget_of_a_task) {
    const test::environment_variable quanta{"MIOU_QUANTA", "3"};
    miou::run({.domains = domains()}, [] {
        bool other_ran = false;
        const auto other = miou::async([&] { other_ran = true; });
        for (int calls = 0; !other_ran; ++calls) {
            ASSERT_LE(calls, 4);
            miou::consume_budget();
        }
        miou::await_exn(other);
    });
}

TEST(run, any_number_of_tasks_between_two_polls_is_fine) {
    for (const char* poll : {"1", "2", "1000000000"}) {
        const test::environment_variable tasks{"MIOU_POLL", poll};
        miou::run({.domains = domains()}, [] {
            const auto p = test::anywhere([] {
                for (int i = 0; i < 20; ++i)
                    miou::yield();
            });
            miou::await_exn(p);
        });
    }
}

TEST(run, only_the_first_broken_rule_is_reported) {
    miou::run({.domains = 0}, [] {
        const std::string message = message_of<miou::still_has_children>([] {
            miou::run({.domains = domains()}, [] {
                const auto p = miou::async([] { const auto first = miou::async([] {}); });
                const auto q = miou::async([] { const auto second = miou::async([] {}); });
                miou::await_exn(p);
                miou::await_exn(q);
            });
        });
        EXPECT_TRUE(contains(message, "run_test.cpp")) << message;
    });
}

TEST(run, a_broken_rule_cancels_the_tasks_of_all_domains) {
    std::atomic<int> unwound = 0;
    EXPECT_THROW(miou::run({.domains = domains()},
                           [&] {
                               std::atomic<int> started = 0;
                               std::vector<miou::promise<void>> children;
                               for (int i = 0; i < 6; ++i)
                                   children.push_back(test::anywhere([&] {
                                       ++started;
                                       try {
                                           test::forever();
                                       } catch (const miou::cancelled&) {
                                           ++unwound;
                                           throw;
                                       }
                                   }));
                               const auto guilty = miou::async([&] {
                                   test::yield_until([&] { return started == 6; });
                                   const auto forgotten = miou::async([] {});
                               });
                               miou::await_all(children);
                               miou::await_exn(guilty);
                           }),
                 miou::still_has_children);
    EXPECT_EQ(unwound, 6);
}

TEST(run, after_a_broken_rule_no_wait_for_a_child_returns) {
    // Each waits for a child that breaks a rule, on any domain, and must not continue.
    const auto torn_down = [](auto wait) {
        std::atomic<bool> ran_on = false;
        std::atomic<bool> was_cancelled = false;
        EXPECT_THROW(miou::run({.domains = domains()},
                               [&] {
                                   const auto parent = test::anywhere([&] {
                                       try {
                                           wait([] { const auto lost = miou::async([] {}); });
                                           ran_on = true;
                                       } catch (const miou::cancelled&) {
                                           was_cancelled = true;
                                           throw;
                                       }
                                   });
                                   static_cast<void>(miou::await(parent));
                                   ran_on = true;
                               }),
                     miou::still_has_children);
        return was_cancelled && !ran_on;
    };
    EXPECT_TRUE(
        torn_down([](auto guilty) { static_cast<void>(miou::await(miou::async(guilty))); }));
    EXPECT_TRUE(
        torn_down([](auto guilty) { static_cast<void>(miou::await(test::anywhere(guilty))); }));
    EXPECT_TRUE(torn_down([](auto guilty) { miou::await_one({test::anywhere(guilty)}); }));
    EXPECT_TRUE(torn_down([](auto guilty) { miou::await_first({miou::async(guilty)}); }));
    EXPECT_TRUE(torn_down([](auto guilty) {
        miou::await_all({miou::async(guilty), test::anywhere(guilty)});
    }));
    EXPECT_TRUE(torn_down([](auto guilty) {
        miou::orphans<void> collected;
        miou::async(collected, guilty);
        miou::get(collected);
    }));
}

} // namespace
