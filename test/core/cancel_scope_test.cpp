// Limits on a part of a task.

#include "support/counted.hpp"
#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using miou::cancel_scope;
using test::domains;
using test::failed_with;

template <class F>
void in_run(F fn) {
    miou::run({.domains = domains()}, std::move(fn));
}

bool is_interrupted() {
    try {
        miou::yield();
    } catch (const miou::cancelled&) {
        return true;
    }
    return false;
}

TEST(cancel_scope, returns_what_the_function_returns) {
    in_run([] {
        EXPECT_EQ(cancel_scope{}.run([] { return 1; }), 1);
        EXPECT_EQ(**cancel_scope{}.run([] { return std::make_unique<int>(2); }), 2);
        EXPECT_TRUE(cancel_scope{}.run([] { miou::yield(); }));
        const int kept = 3;
        EXPECT_EQ(cancel_scope{}.run([&]() -> const int& { return kept; }), 3);
    });
}

TEST(cancel_scope, an_exception_of_the_function_passes_through) {
    in_run([] {
        EXPECT_THROW(cancel_scope{}.run([] { throw std::out_of_range{"far"}; }), std::out_of_range);
        const auto cancelled = miou::async(test::forever);
        miou::cancel(cancelled);
        // The `cancelled` of another task is an exception like others: it does not end the scope.
        EXPECT_THROW(cancel_scope{}.run([&] { miou::await_exn(cancelled); }), miou::cancelled);
    });
}

TEST(cancel_scope, once_cancelled_every_suspension_throws_until_the_function_has_ended) {
    in_run([] {
        cancel_scope scope;
        int interrupted = 0;
        const bool ran = scope.run([&] {
            miou::yield();
            scope.cancel();
            for (int i = 0; i < 3; ++i)
                interrupted += is_interrupted();
            miou::yield();
        });
        EXPECT_FALSE(ran);
        EXPECT_EQ(interrupted, 3);
        EXPECT_FALSE(is_interrupted());
    });
}

TEST(cancel_scope, a_late_return_value_is_not_lost) {
    in_run([] {
        cancel_scope scope;
        const auto value = scope.run([&] {
            scope.cancel();
            EXPECT_TRUE(is_interrupted());
            return 1;
        });
        EXPECT_EQ(value, 1);
        EXPECT_FALSE(is_interrupted());
    });
}

/// Runs `wait` in four scopes and cancels each of them meanwhile: from a task of the same domain,
/// from one of another domain, from a plain thread, and from a hook.
template <class F>
void cancelled_from_everywhere(F wait) {
    for (int from = 0; from < 4; ++from)
        in_run([&] {
            cancel_scope scope;
            std::atomic<bool> inside = false;
            std::thread thread;
            std::optional<miou::hook> hook;
            std::optional<miou::promise<void>> other;
            const auto cancel = [&] {
                while (!inside)
                    std::this_thread::yield();
                scope.cancel();
            };
            if (from == 0)
                other = miou::async([&] { scope.cancel(); });
            else if (from == 1)
                other = test::anywhere([&] {
                    test::yield_until([&] { return inside.load(); });
                    scope.cancel();
                });
            else if (from == 2)
                thread = std::thread{cancel};
            else
                hook = miou::hook::add([&] {
                    if (inside)
                        scope.cancel();
                });
            EXPECT_FALSE(scope.run([&] {
                inside = true;
                wait();
            })) << "cancelled from "
                << from;
            EXPECT_FALSE(is_interrupted());
            if (other)
                miou::await_exn(*other);
            if (thread.joinable())
                thread.join();
            if (hook)
                hook->remove();
        });
}

TEST(cancel_scope, it_may_be_cancelled_from_anywhere_while_it_awaits_a_trigger) {
    miou::trigger never;
    cancelled_from_everywhere([&] {
        if (const auto cancellation = never.await())
            std::rethrow_exception(cancellation);
    });
}

TEST(cancel_scope, it_may_be_cancelled_from_anywhere_while_it_computes_and_yields) {
    cancelled_from_everywhere(test::forever);
}

TEST(cancel_scope, the_callers_own_children_can_be_awaited_inside_and_go_on) {
    in_run([] {
        std::atomic<bool> over = false;
        const auto child = test::anywhere([&] {
            test::yield_until([&] { return over.load(); });
            return 1;
        });
        cancel_scope scope;
        const auto other = miou::async([&] { scope.cancel(); });
        EXPECT_FALSE(scope.run([&] { return miou::await_exn(child); }));
        over = true;
        EXPECT_EQ(miou::await_exn(child), 1);
        miou::await_exn(other);
    });
}

TEST(cancel_scope, a_wait_for_children_that_completes_anyway_returns) {
    in_run([] {
        for (int way = 0; way < 4; ++way) {
            cancel_scope scope;
            miou::orphans<int> collected;
            auto canceller = miou::async([&] { scope.cancel(); });
            const auto child =
                way == 3 ? miou::async(collected, [] { return 1; }) : miou::async([] { return 1; });
            // The cancellation wakes this task first, but the child ends before this task runs.
            const auto outcome = scope.run([&]() -> miou::result<int> {
                switch (way) {
                case 0:
                    return miou::await(child);
                case 1:
                    return miou::await_one({child});
                case 2:
                    return miou::await_first({child});
                default:
                    return *miou::get(collected);
                }
            });
            if (outcome) // otherwise the wait was cancelled: nothing is lost either way
                EXPECT_EQ(outcome->value(), 1);
            else
                EXPECT_EQ(miou::await_exn(child), 1);
            miou::await_exn(canceller);
        }
    });
}

TEST(cancel_scope, a_child_whose_handle_is_dropped_is_cancelled_and_awaited) {
    in_run([] {
        std::atomic<int> alive = 0;
        cancel_scope scope;
        const auto other = miou::async([&] { scope.cancel(); });
        EXPECT_FALSE(scope.run([&] {
            const auto child = test::anywhere([&] {
                const test::counted mine{alive};
                test::forever();
            });
            static_cast<void>(miou::await(child));
        }));
        EXPECT_EQ(alive, 0);
        miou::await_exn(other);
    });
}

TEST(cancel_scope, mutexes_and_conditions_of_the_caller_can_be_waited_for_inside) {
    in_run([] {
        miou::mutex guard;
        miou::condition changed;
        const auto holder = miou::async([&] {
            const std::scoped_lock held{guard};
            for (int i = 0; i < 5; ++i)
                miou::yield();
        });
        miou::yield();
        {
            cancel_scope scope;
            const auto other = miou::async([&] { scope.cancel(); });
            EXPECT_FALSE(scope.run([&] { guard.lock(); }));
            miou::await_exn(other);
        }
        std::unique_lock held{guard};
        {
            cancel_scope scope;
            const auto other = miou::async([&] { scope.cancel(); });
            EXPECT_FALSE(scope.run([&] { changed.wait(held); }));
            miou::await_exn(other);
        }
        EXPECT_TRUE(held.owns_lock());
        held.unlock();
        miou::await_exn(holder);
    });
}

TEST(cancel_scope, a_cancelled_outer_scope_ends_the_inner_ones) {
    in_run([] {
        cancel_scope outer;
        bool inner_ended = false;
        EXPECT_FALSE(outer.run([&] {
            cancel_scope inner;
            const bool ran = inner.run([&] {
                inner.cancel();
                outer.cancel();
                miou::yield();
            });
            inner_ended = !ran;
        }));
        EXPECT_FALSE(inner_ended);
    });
}

TEST(cancel_scope, a_cancelled_inner_scope_leaves_the_outer_ones_alone) {
    in_run([] {
        cancel_scope outer;
        EXPECT_TRUE(outer.run([] {
            cancel_scope inner;
            EXPECT_FALSE(inner.run([&] {
                inner.cancel();
                miou::yield();
            }));
            EXPECT_FALSE(is_interrupted());
        }));
    });
}

TEST(cancel_scope, the_cancellation_of_the_task_passes_through_all_scopes) {
    in_run([] {
        std::atomic<bool> inside = false;
        bool passed = true;
        const auto victim = test::anywhere([&] {
            cancel_scope outer;
            outer.run([&] {
                cancel_scope inner;
                inner.run([&] {
                    inside = true;
                    test::forever();
                });
                passed = false;
            });
            passed = false;
        });
        test::yield_until([&] { return inside.load(); });
        miou::cancel(victim);
        EXPECT_TRUE(passed);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(victim)));
    });
}

TEST(cancel_scope, a_shield_inside_defers_its_cancellation) {
    in_run([] {
        cancel_scope scope;
        bool finished = false;
        EXPECT_FALSE(scope.run([&] {
            miou::uncancellable([&] {
                scope.cancel();
                EXPECT_FALSE(is_interrupted());
                finished = true;
            });
            miou::yield();
        }));
        EXPECT_TRUE(finished);
    });
}

TEST(cancel_scope, a_task_parked_in_a_shield_inside_is_not_woken) {
    in_run([] {
        cancel_scope scope;
        miou::trigger awaited;
        const auto other = miou::async([&] {
            scope.cancel();
            for (int i = 0; i < 3; ++i)
                miou::yield();
            awaited.signal();
        });
        const auto waited = scope.run(
            [&] { return miou::uncancellable([&] { return awaited.await() == nullptr; }); });
        EXPECT_EQ(waited, true);
        miou::await_exn(other);
    });
}

TEST(cancel_scope, a_shield_around_it_does_not_defer_its_cancellation) {
    in_run([] {
        miou::uncancellable([] {
            cancel_scope scope;
            EXPECT_FALSE(scope.run([&] {
                scope.cancel();
                miou::yield();
            }));
        });
    });
}

TEST(cancel_scope, it_bounds_a_destructor_that_runs_during_unwinding) {
    in_run([] {
        bool bounded = false;
        const auto victim = miou::async([&] {
            const miou::at_end clean_up{[&] {
                cancel_scope scope;
                const auto other = miou::async([&] { scope.cancel(); });
                bounded = !scope.run(test::forever);
                static_cast<void>(miou::await(other));
            }};
            test::forever();
        });
        miou::yield();
        miou::cancel(victim);
        EXPECT_TRUE(bounded);
    });
}

TEST(cancel_scope, a_destructor_that_it_unwinds_is_shielded_from_it) {
    in_run([] {
        cancel_scope scope;
        bool finished = false;
        EXPECT_FALSE(scope.run([&] {
            const miou::at_end clean_up{[&] {
                for (int i = 0; i < 3; ++i)
                    miou::yield();
                finished = true;
            }};
            scope.cancel();
            miou::yield();
        }));
        EXPECT_TRUE(finished);
    });
}

TEST(cancel_scope, cancelled_beforehand_it_lets_the_function_run_until_it_suspends) {
    in_run([] {
        cancel_scope scope;
        scope.cancel();
        bool began = false;
        EXPECT_FALSE(scope.run([&] {
            began = true;
            miou::yield();
        }));
        EXPECT_TRUE(began);
        cancel_scope another;
        another.cancel();
        EXPECT_EQ(another.run([] { return 1; }), 1);
    });
}

TEST(cancel_scope, cancelling_it_twice_or_afterwards_changes_nothing) {
    in_run([] {
        cancel_scope scope;
        EXPECT_FALSE(scope.run([&] {
            scope.cancel();
            scope.cancel();
            miou::yield();
        }));
        scope.cancel();
        cancel_scope another;
        EXPECT_TRUE(another.run([] {}));
        another.cancel();
        EXPECT_FALSE(is_interrupted());
    });
}

TEST(cancel_scope, it_is_used_once) {
    in_run([] {
        cancel_scope scope;
        scope.run([] {});
        EXPECT_THROW(scope.run([] {}), std::invalid_argument);
        cancel_scope nested;
        nested.run([&] { EXPECT_THROW(nested.run([] {}), std::invalid_argument); });
    });
}

TEST(cancel_scope, it_needs_a_task) {
    cancel_scope scope;
    const auto text = test::message_of<miou::outside_of_task>([&] { scope.run([] {}); });
    EXPECT_TRUE(test::contains(text, "miou::cancel_scope::run")) << text;
}

TEST(cancel_scope, a_lazy_value_whose_forcer_it_cancels_can_be_forced_again) {
    in_run([] {
        int runs = 0;
        cancel_scope scope;
        auto value = miou::lazy<int>::from_fun([&] {
            if (++runs == 1) {
                scope.cancel();
                miou::yield();
            }
            return runs;
        });
        EXPECT_FALSE(scope.run([&] { value.force(); }));
        EXPECT_EQ(value.force(), 2);
    });
}

TEST(cancel_scope, it_does_not_end_before_a_cancel_that_another_thread_has_begun) {
    in_run([] {
        std::vector<cancel_scope> scopes(static_cast<std::size_t>(test::scaled(50'000, 5'000)));
        std::atomic<std::size_t> current = 0;
        std::thread thread{[&] {
            for (std::size_t at = 0; (at = current) < scopes.size();)
                scopes[at].cancel();
        }};
        std::size_t left = 0;
        for (std::size_t i = 0; i < scopes.size(); current = ++i) {
            left += !scopes[i].run([&] {
                for (std::size_t turn = 0; turn < i % 4; ++turn)
                    miou::yield();
            });
            EXPECT_FALSE(is_interrupted());
        }
        thread.join();
        EXPECT_LE(left, scopes.size());
    });
}

TEST(cancel_scope, a_hundred_thousand_can_be_cancelled_at_once) {
    miou::run({.domains = domains(), .unguarded = true}, [] {
        std::vector<cancel_scope> scopes(test::most_tasks);
        std::vector<miou::promise<bool>> tasks;
        for (cancel_scope& each : scopes)
            tasks.push_back(miou::async([&] {
                miou::trigger never;
                return each.run([&] {
                    if (const auto cancellation = never.await())
                        std::rethrow_exception(cancellation);
                });
            }));
        miou::yield();
        for (cancel_scope& each : scopes)
            each.cancel();
        for (const auto& outcome : miou::await_all(tasks))
            EXPECT_FALSE(outcome.value());
    });
}

TEST(local_cancel_scope, ends_what_runs_in_it) {
    in_run([] {
        miou::local_cancel_scope scope;
        scope.cancel(); // not yet
        const auto waiting = miou::async([&] { return scope.run(test::forever); });
        miou::yield();
        scope.cancel();
        EXPECT_FALSE(miou::await_exn(waiting));
    });
}

TEST(local_cancel_scope, a_cancellation_after_its_task_has_ended_does_nothing) {
    in_run([] {
        miou::local_cancel_scope scope;
        EXPECT_TRUE(miou::await_exn(miou::async([&] { return scope.run([] {}); })));
        scope.cancel();
        EXPECT_FALSE(is_interrupted());
    });
}

} // namespace
