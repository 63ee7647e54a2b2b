// `protect`: clean-up that distinguishes cancellation from other ends.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/protect.hpp"
#include "miou/run.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace {

using test::domains;
using test::failed_with;

/// Clean-ups that record in `seen` which of them run.
auto noting(std::string& seen) {
    return miou::protection{
        .on_cancellation = [&seen] { seen += "on_cancellation "; },
        .finally =
            [&seen](bool cancelled) { seen += cancelled ? "finally(true) " : "finally(false) "; }};
}

/// Cancels a task while it waits in `fn`, and expects that its outcome is `cancelled`.
template <class F>
void cancel_one_that_runs(F fn) {
    miou::run({.domains = domains()}, [&] {
        const auto p = miou::async(fn);
        miou::yield();
        miou::cancel(p);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(p)));
    });
}

TEST(protect, a_value_is_returned_after_finally) {
    miou::run({.domains = domains()}, [] {
        std::string seen;
        const auto value = miou::protect(noting(seen), [&] {
            seen += "fn ";
            return std::make_unique<int>(4);
        });
        EXPECT_EQ(*value, 4);
        EXPECT_EQ(seen, "fn finally(false) ");
        seen.clear();
        miou::protect(noting(seen), [] {});
        EXPECT_EQ(seen, "finally(false) ");
    });
}

TEST(protect, a_failure_passes_through_after_finally) {
    miou::run({.domains = domains()}, [] {
        std::string seen;
        EXPECT_THROW(miou::protect(noting(seen), [] { throw std::runtime_error{"x"}; }),
                     std::runtime_error);
        EXPECT_EQ(seen, "finally(false) ");
    });
}

TEST(protect, a_cancellation_passes_through_after_on_cancellation_and_finally) {
    std::string seen;
    cancel_one_that_runs([&] {
        try {
            miou::protect(noting(seen), test::forever);
        } catch (const miou::cancelled&) {
            seen += "passed";
            throw;
        }
    });
    EXPECT_EQ(seen, "on_cancellation finally(true) passed");
}

TEST(protect, its_clean_ups_may_suspend_and_cannot_be_cancelled) {
    std::string seen;
    cancel_one_that_runs([&] {
        miou::protect({.on_cancellation =
                           [&] {
                               miou::yield();
                               seen += "on_cancellation ";
                           },
                       .finally =
                           [&](bool) {
                               for (int i = 0; i < 5; ++i)
                                   miou::yield();
                               seen += miou::await_exn(test::anywhere([] { return "finally "; }));
                           }},
                      test::forever);
    });
    EXPECT_EQ(seen, "on_cancellation finally ");
}

TEST(protect, an_exception_of_finally_arrives_as_finally_raised) {
    miou::run({.domains = domains()}, [] {
        const auto throwing = [] {
            return miou::protection{.on_cancellation = [] {},
                                    .finally = [](bool) { throw std::runtime_error{"finally"}; }};
        };
        const auto nested = [&](auto fn) {
            try {
                miou::protect(throwing(), fn);
            } catch (const miou::finally_raised& raised) {
                return test::is<std::runtime_error>(raised.nested());
            }
            return false;
        };
        EXPECT_TRUE(nested([] {}));
        EXPECT_TRUE(nested([] { return 3; }));
        EXPECT_TRUE(nested([] { throw 1; }));
    });
}

TEST(protect, an_exception_of_finally_in_a_cancelled_task_arrives_as_finally_raised) {
    std::string seen;
    cancel_one_that_runs([&] {
        try {
            miou::protect({.on_cancellation = [&] { seen += "on_cancellation "; },
                           .finally = [](bool) { throw 1; }},
                          test::forever);
        } catch (const miou::finally_raised& raised) {
            seen += "raised";
            EXPECT_TRUE(test::is<int>(raised.nested()));
            throw;
        }
    });
    EXPECT_EQ(seen, "on_cancellation raised");
}

TEST(protect, an_exception_of_on_cancellation_arrives_as_on_cancellation_raised) {
    std::string seen;
    cancel_one_that_runs([&] {
        try {
            miou::protect(
                {.on_cancellation = [] { throw 1; }, .finally = [&](bool) { seen += "finally "; }},
                test::forever);
        } catch (const miou::on_cancellation_raised& raised) {
            seen += "raised";
            EXPECT_TRUE(test::is<int>(raised.nested()));
            throw;
        }
    });
    EXPECT_EQ(seen, "finally raised");
}

TEST(protect, if_both_clean_ups_throw_the_first_exception_arrives) {
    bool told = false;
    cancel_one_that_runs([&] {
        try {
            miou::protect({.on_cancellation = [] { throw 1; }, .finally = [](bool) { throw 2.0; }},
                          test::forever);
        } catch (const miou::on_cancellation_raised& raised) {
            told = test::is<int>(raised.nested());
            throw;
        }
    });
    EXPECT_TRUE(told);
}

TEST(protect, either_clean_up_may_be_left_out) {
    std::string seen;
    cancel_one_that_runs([&] {
        miou::protect({.finally = [&](bool) { seen += "finally "; }}, [&] {
            miou::protect({.on_cancellation = [&] { seen += "on_cancellation "; }},
                          [] { miou::protect({}, test::forever); });
        });
    });
    EXPECT_EQ(seen, "on_cancellation finally ");
}

TEST(protect, it_nests) {
    std::string inner;
    std::string outer;
    cancel_one_that_runs([&] {
        miou::protect(noting(outer), [&] { miou::protect(noting(inner), test::forever); });
    });
    EXPECT_EQ(inner, "on_cancellation finally(true) ");
    EXPECT_EQ(outer, "on_cancellation finally(true) ");
}

TEST(protect, it_needs_a_task) {
    std::string seen;
    EXPECT_THROW(miou::protect(noting(seen), [&] { seen += "fn "; }), std::exception);
}

} // namespace
