// Cancellation is level-triggered. Uncancellable sections defer it.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/at_end.hpp"
#include "miou/condition.hpp"
#include "miou/mutex.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"
#include "miou/trigger.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>

namespace {

using test::domains;
using test::failed_with;

/// Cancels a task that ignores every `cancelled` of `park` until another task tells it to stop. The
/// other task can do that only if the first one lets it run.
template <class Park>
void ignore_cancellation_in(Park park) {
    miou::run({.domains = domains()}, [&] {
        bool stop = false;
        int ignored = 0;
        const auto stubborn = miou::async([&] {
            while (!stop)
                try {
                    park();
                } catch (const miou::cancelled&) {
                    ++ignored;
                }
        });
        miou::yield();
        const auto other = miou::async([&] {
            for (int i = 0; i < 5; ++i)
                miou::yield();
            stop = true;
        });
        miou::cancel(stubborn);
        EXPECT_TRUE(stop);
        EXPECT_GE(ignored, 1);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(stubborn)));
        miou::await_exn(other);
    });
}

TEST(level_triggered, yield_throws_again_and_lets_others_run) {
    ignore_cancellation_in([] { miou::yield(); });
}

TEST(level_triggered, await_throws_again_and_lets_others_run) {
    ignore_cancellation_in([] { miou::await_exn(miou::async([] { miou::yield(); })); });
}

TEST(level_triggered, await_one_throws_again_and_lets_others_run) {
    ignore_cancellation_in([] {
        const auto child = miou::async([] { miou::yield(); });
        miou::await_one({child}).value();
    });
}

TEST(level_triggered, trigger_await_returns_it_again_and_lets_others_run) {
    ignore_cancellation_in([] {
        miou::trigger never;
        std::rethrow_exception(never.await());
    });
}

TEST(level_triggered, condition_wait_throws_again_and_lets_others_run) {
    miou::mutex guard;
    miou::condition never;
    ignore_cancellation_in([&] {
        std::unique_lock held{guard};
        never.wait(held);
    });
}

TEST(level_triggered, consume_budget_throws_again_and_lets_others_run) {
    ignore_cancellation_in([] {
        for (;;)
            miou::consume_budget();
    });
}

TEST(level_triggered, a_cancelled_task_that_throws_something_else_is_still_cancelled) {
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async([] {
            try {
                test::forever();
            } catch (const miou::cancelled&) {
                throw std::runtime_error{"instead"};
            }
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(p)));
    });
}

TEST(level_triggered, a_child_spawned_by_a_cancelled_task_is_cancelled) {
    miou::run({.domains = domains()}, [] {
        bool ran = false;
        const auto p = miou::async([&] {
            try {
                test::forever();
            } catch (const miou::cancelled&) {
            }
            const auto late = miou::async([&] { ran = true; });
            miou::await_exn(late);
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_FALSE(ran);
    });
}

TEST(uncancellable, a_cancellation_waits_for_its_end) {
    miou::run({.domains = domains()}, [] {
        std::string seen;
        bool let_go = false;
        const auto p = miou::async([&] {
            const int value = miou::uncancellable([&] {
                miou::uncancellable([] { miou::yield(); });
                test::yield_until([&] { return let_go; });
                return 5;
            });
            seen += std::to_string(value);
            miou::yield();
            seen += "not reached";
        });
        miou::yield();
        const auto other = miou::async([&] { let_go = true; });
        miou::cancel(p);
        EXPECT_EQ(seen, "5");
        miou::await_exn(other);
    });
}

TEST(uncancellable, children_spawned_in_it_are_spared) {
    miou::run({.domains = domains()}, [] {
        std::atomic<int> result = 0;
        std::atomic<bool> let_go = false;
        const auto p = miou::async([&] {
            miou::uncancellable([&] {
                const auto child = test::anywhere([&] {
                    test::yield_until([&] { return let_go.load(); });
                    return 7;
                });
                result = miou::await_exn(child);
            });
        });
        miou::yield();
        const auto other = miou::async([&] { let_go = true; });
        miou::cancel(p);
        EXPECT_EQ(result, 7);
        miou::await_exn(other);
    });
}

TEST(uncancellable, children_spawned_in_it_are_spared_only_until_its_end) {
    miou::run({.domains = domains()}, [] {
        bool give_up = false;
        bool child_was_cancelled = false;
        const auto p = miou::async([&] {
            const auto child = miou::uncancellable([&] {
                return miou::async([&] {
                    try {
                        test::yield_until([&] { return give_up; });
                    } catch (const miou::cancelled&) {
                        child_was_cancelled = true;
                        throw;
                    }
                });
            });
            miou::uncancellable([&] { static_cast<void>(miou::await(child)); });
        });
        miou::yield(); // the task waits,
        miou::yield(); // and its child has begun
        const auto other = miou::async([&] {
            for (int i = 0; i < 50; ++i)
                miou::yield();
            give_up = true;
        });
        miou::cancel(p);
        EXPECT_TRUE(child_was_cancelled);
        miou::await_exn(other);
    });
}

TEST(uncancellable, children_of_an_inner_section_are_spared_until_the_outer_one_ends) {
    miou::run({.domains = domains()}, [] {
        bool let_go = false;
        int result = 0;
        const auto p = miou::async([&] {
            miou::uncancellable([&] {
                const auto child = miou::uncancellable([&] {
                    return miou::async([&] {
                        test::yield_until([&] { return let_go; });
                        return 7;
                    });
                });
                result = miou::await_exn(child);
            });
        });
        miou::yield();
        const auto other = miou::async([&] { let_go = true; });
        miou::cancel(p);
        EXPECT_EQ(result, 7);
        miou::await_exn(other);
    });
}

TEST(uncancellable, an_exception_passes_through_it) {
    miou::run({.domains = domains()}, [] {
        EXPECT_THROW(miou::uncancellable([] { throw std::runtime_error{"x"}; }),
                     std::runtime_error);
        int value = 1;
        int& same = miou::uncancellable([&]() -> int& { return value; });
        EXPECT_EQ(&same, &value);
    });
}

/// Cancels a task whose destructor spawns a child during the unwinding. Returns whether the child
/// ends normally.
template <class BeforeAwait>
bool child_of_destructor_ends(BeforeAwait before_await) {
    bool ended = false;
    miou::run({.domains = domains()}, [&] {
        const auto victim = miou::async([&] {
            const miou::at_end clean_up{[&] {
                const auto child = test::anywhere([] {
                    for (int i = 0; i < 5; ++i)
                        miou::yield();
                });
                before_await();
                ended = miou::await(child).has_value();
            }};
            test::forever();
        });
        miou::yield();
        miou::cancel(victim);
    });
    return ended;
}

TEST(uncancellable, children_of_a_destructor_are_spared_whatever_sections_open_and_close) {
    EXPECT_TRUE(child_of_destructor_ends([] {}));
    EXPECT_TRUE(child_of_destructor_ends([] { miou::uncancellable([] {}); }));
    EXPECT_TRUE(
        child_of_destructor_ends([] { // the wait for a condition locks its mutex in a section
            miou::mutex guard;
            miou::condition changed;
            std::unique_lock held{guard};
            const auto other = miou::async([&] { changed.signal(); });
            changed.wait(held);
            static_cast<void>(miou::await(other));
        }));
    EXPECT_TRUE(child_of_destructor_ends([] {
        miou::uncancellable([] {
            try {
                miou::uncancellable([] { throw 1; });
            } catch (int) {
            }
        });
    }));
}

TEST(uncancellable, children_of_a_section_that_is_left_by_an_exception_are_spared_no_longer) {
    miou::run({.domains = domains()}, [] {
        bool cancelled = false;
        const auto victim = miou::async([&] {
            std::optional<miou::promise<void>> child;
            try {
                miou::uncancellable([&] {
                    child = miou::async([&] {
                        try {
                            test::forever();
                        } catch (const miou::cancelled&) {
                            cancelled = true;
                            throw;
                        }
                    });
                    for (int i = 0; i < 3; ++i)
                        miou::yield();
                    throw 1;
                });
            } catch (int) {
            }
            miou::uncancellable([&] { static_cast<void>(miou::await(*child)); });
        });
        miou::yield();
        miou::cancel(victim);
        EXPECT_TRUE(cancelled);
    });
}

} // namespace
