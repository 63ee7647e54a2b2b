// Computations: completed once, awaited by any number of tasks and threads.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/race.hpp"
#include "support/tasks.hpp"

#include "miou/computation.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
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

using test::domains;
using test::failed_with;

struct stop_it {};
const std::exception_ptr stop = std::make_exception_ptr(stop_it{});

TEST(computation, one_task_cancels_what_another_computes) { // Miou test33
    miou::run({.domains = 0}, [] {
        const miou::computation<int> computation;
        const auto computing = miou::async([&] {
            const auto fib = [&](auto& self, int i) -> int {
                computation.raise_if_errored();
                miou::yield();
                return i <= 1 ? i : self(self, i - 1) + (i - 2);
            };
            computation.try_capture([&] { return fib(fib, 80); });
        });
        const auto cancelling = miou::async([&] { computation.try_cancel(stop); });
        EXPECT_THROW(computation.await_exn(), stop_it);
        miou::await_exn(computing);
        miou::await_exn(cancelling);
    });
}

TEST(computation, it_is_completed_once) {
    const miou::computation<int> computation;
    EXPECT_TRUE(computation.is_running());
    EXPECT_FALSE(computation.peek());
    EXPECT_EQ(computation.cancelled(), nullptr);
    computation.raise_if_errored();
    EXPECT_TRUE(computation.try_return(1));
    EXPECT_FALSE(computation.try_return(2));
    EXPECT_FALSE(computation.try_cancel(stop));
    EXPECT_FALSE(computation.try_capture([] { return 3; }));
    EXPECT_FALSE(computation.is_running());
    EXPECT_EQ(computation.peek()->value(), 1);
    EXPECT_EQ(computation.cancelled(), nullptr);
    computation.raise_if_errored();
    EXPECT_EQ(computation.await_exn(), 1);
}

TEST(computation, a_cancelled_one_throws_its_error) {
    const miou::computation<std::string> computation;
    EXPECT_TRUE(computation.try_cancel(stop));
    EXPECT_FALSE(computation.try_return("late"));
    EXPECT_TRUE(test::is<stop_it>(computation.cancelled()));
    EXPECT_THROW(computation.raise_if_errored(), stop_it);
    EXPECT_TRUE(failed_with<stop_it>(*computation.peek()));
    EXPECT_TRUE(failed_with<stop_it>(computation.await()));
    EXPECT_THROW(computation.await_exn(), stop_it);
}

TEST(computation, capture_keeps_what_its_function_returns_or_throws) {
    const miou::computation<int> good;
    EXPECT_TRUE(good.try_capture([](int a, std::unique_ptr<int> b) { return a + *b; }, 1,
                                 std::make_unique<int>(2)));
    EXPECT_EQ(good.await_exn(), 3);
    const miou::computation<int> bad;
    EXPECT_TRUE(bad.try_capture([]() -> int { throw stop_it{}; }));
    EXPECT_THROW(bad.await_exn(), stop_it);
}

TEST(computation, it_may_be_of_void_or_built_in_place) {
    const miou::computation<void> nothing;
    EXPECT_TRUE(nothing.try_capture([] {}));
    EXPECT_TRUE(nothing.await().has_value());
    const miou::computation<std::string> text;
    EXPECT_TRUE(text.try_return(3u, 'x'));
    EXPECT_EQ(text.await_exn(), "xxx");
}

TEST(computation, a_constructor_that_throws_leaves_it_running) {
    struct picky {
        explicit picky(int n) {
            if (n == 0)
                throw std::runtime_error{"zero"};
        }
    };
    const miou::computation<picky> computation;
    EXPECT_THROW(computation.try_return(0), std::runtime_error);
    EXPECT_TRUE(computation.is_running());
    EXPECT_TRUE(computation.try_return(1));
}

TEST(computation, tasks_of_all_domains_and_threads_wait_for_it) {
    const miou::computation<int> computation;
    std::jthread thread{[&] { EXPECT_EQ(computation.await_exn(), 9); }};
    miou::run({.domains = domains()}, [&] {
        std::vector<miou::promise<int>> children;
        for (int i = 0; i < 8; ++i) {
            const auto wait = [copy = computation] { return copy.await_exn(); };
            children.push_back(i % 2 ? miou::async(wait) : test::anywhere(wait));
        }
        miou::yield();
        EXPECT_TRUE(computation.try_return(9));
        for (const auto& each : miou::await_all(children))
            EXPECT_EQ(each.value(), 9);
    });
    thread.join();
}

TEST(computation, waiting_for_it_is_cancellable) {
    miou::run({.domains = domains()}, [] {
        const miou::computation<int> computation;
        bool told = false;
        const auto p = miou::async([&] {
            EXPECT_TRUE(failed_with<miou::cancelled>(computation.await()));
            told = true;
            computation.await_exn();
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_TRUE(told);
        EXPECT_TRUE(computation.is_running());
        EXPECT_TRUE(computation.try_return(1));
    });
}

TEST(computation, cancellations_race_with_completions) {
    miou::run({.domains = test::at_least(1)}, [] {
        for (int i = 0; i < 100; ++i) {
            const miou::computation<int> computation;
            const auto waiting = miou::async([&] { static_cast<void>(computation.await()); });
            const auto completing = miou::call([&] { computation.try_return(i); });
            if (i % 2)
                miou::yield();
            miou::cancel(waiting);
            miou::await_exn(completing);
            EXPECT_EQ(computation.await_exn(), i);
        }
    });
}

TEST(computation, attached_triggers_are_signaled_and_detached_ones_forgotten) {
    const miou::computation<int> computation;
    miou::trigger attached;
    miou::trigger detached;
    miou::trigger signaled;
    signaled.signal();
    EXPECT_TRUE(computation.try_attach(attached));
    EXPECT_TRUE(computation.try_attach(detached));
    EXPECT_FALSE(computation.try_attach(signaled));
    computation.detach(detached);
    EXPECT_TRUE(detached.is_signaled());
    EXPECT_TRUE(attached.is_initial());
    computation.try_return(1);
    EXPECT_TRUE(attached.is_signaled());
    miou::trigger late;
    EXPECT_FALSE(computation.try_attach(late));
    EXPECT_TRUE(late.is_initial());
}

TEST(computation, clean_forgets_triggers_that_something_else_has_signaled) {
    const miou::computation<int> computation;
    {
        miou::trigger gone;
        EXPECT_TRUE(computation.try_attach(gone));
        gone.signal();
        computation.clean();
    }
    EXPECT_TRUE(computation.try_return(1));
}

TEST(computation, a_canceller_passes_a_cancellation_on) {
    const miou::computation<int> from;
    const miou::computation<std::string> into;
    const auto canceller = miou::canceller(from, into);
    EXPECT_TRUE(from.try_attach(*canceller));
    from.try_cancel(stop);
    EXPECT_THROW(into.await_exn(), stop_it);
}

TEST(computation, a_canceller_does_not_pass_a_value_on) {
    const miou::computation<int> from;
    const miou::computation<int> into;
    const auto canceller = miou::canceller(from, into);
    EXPECT_TRUE(from.try_attach(*canceller));
    from.try_return(1);
    EXPECT_TRUE(into.is_running());
}

/// Four steps in any order: one returns, one cancels, and two attach a trigger.
class completions_and_attachments { // Miou test_sync test02
public:
    void start() {
        computation_ = {};
        for (auto& each : triggers_)
            each.emplace();
        returns_ = cancels_ = attached_ = unattached_ = 0;
    }
    void part(int number) {
        if (number == 0)
            returns_ += computation_.try_return(101);
        else if (number == 1)
            cancels_ += computation_.try_cancel(stop);
        else
            ++(computation_.try_attach(trigger(number - 2)) ? attached_ : unattached_);
    }
    void check() {
        const auto outcome = computation_.peek();
        ASSERT_TRUE(outcome);
        EXPECT_EQ(returns_ + cancels_, 1);
        if (returns_ == 1)
            EXPECT_EQ(outcome->value(), 101);
        else
            EXPECT_TRUE(failed_with<stop_it>(*outcome));
        EXPECT_EQ(attached_ + unattached_, 2);
        EXPECT_EQ(attached_, trigger(0).is_signaled() + trigger(1).is_signaled());
        all_attached += attached_;
        all_unattached += unattached_;
    }

    int all_attached = 0;
    int all_unattached = 0;

private:
    miou::trigger& trigger(int number) { return *triggers_[static_cast<std::size_t>(number)]; }

    miou::computation<int> computation_;
    std::array<std::optional<miou::trigger>, 2> triggers_;
    std::atomic<int> returns_, cancels_, attached_, unattached_;
};

TEST(computation, completions_and_attachments_agree_in_every_order) {
    completions_and_attachments it;
    std::array order{0, 1, 2, 3};
    do {
        it.start();
        for (const int each : order)
            it.part(each);
        it.check();
    } while (std::ranges::next_permutation(order).found);
    EXPECT_GT(it.all_attached, 0);
    EXPECT_GT(it.all_unattached, 0);
}

TEST(computation, completions_and_attachments_agree_when_they_race) {
    completions_and_attachments it;
    test::race(
        100, [&] { it.start(); },
        {[&] { it.part(0); }, [&] { it.part(1); }, [&] { it.part(2); }, [&] { it.part(3); }},
        [&] { it.check(); });
}

TEST(computation, detached_triggers_are_forgotten_when_they_race) { // Miou test_sync test03
    miou::computation<int> computation;
    std::array<std::optional<miou::trigger>, 4> triggers;
    const auto attach_and_detach = [&](std::size_t number) {
        return [&, number] {
            EXPECT_TRUE(computation.try_attach(*triggers[number]));
            computation.detach(*triggers[number]);
        };
    };
    test::race(
        100,
        [&] {
            computation = {};
            for (auto& each : triggers)
                each.emplace();
        },
        {attach_and_detach(0), attach_and_detach(1), attach_and_detach(2), attach_and_detach(3)},
        [&] {
            for (auto& each : triggers) {
                EXPECT_TRUE(each->is_signaled());
                each.reset(); // the sanitizers would report a use of a trigger that was not
                              // forgotten
            }
            EXPECT_TRUE(computation.is_running());
            miou::trigger trigger;
            EXPECT_TRUE(computation.try_attach(trigger));
            EXPECT_TRUE(computation.try_return(1));
            EXPECT_TRUE(trigger.is_signaled());
        });
}

TEST(computation, detach_waits_for_a_completion_that_touches_the_trigger) {
    miou::computation<int> computation;
    test::race(
        100, [&] { computation = {}; },
        {[&] { computation.try_return(1); },
         [&] {
             const auto mine = std::make_unique<miou::trigger>();
             if (computation.try_attach(*mine))
                 computation.detach(*mine);
         }},
        [&] { EXPECT_FALSE(computation.is_running()); });
}

TEST(computation, using_a_moved_from_computation_is_a_clear_error) {
    miou::computation<int> from;
    const miou::computation<int> into = std::move(from);
    miou::trigger trigger;
    const auto refuses = [](auto fn) {
        EXPECT_EQ(test::message_of<std::invalid_argument>(fn),
                  "miou: this computation was moved from");
    };
    refuses([&] { from.try_return(1); });
    refuses([&] { from.try_cancel(std::make_exception_ptr(stop_it{})); });
    refuses([&] { from.is_running(); });
    refuses([&] { from.cancelled(); });
    refuses([&] { from.raise_if_errored(); });
    refuses([&] { from.peek(); });
    refuses([&] { from.try_attach(trigger); });
    refuses([&] { from.detach(trigger); });
    refuses([&] { from.clean(); });
    refuses([&] { from.await(); });
    EXPECT_TRUE(into.try_return(1));
}

} // namespace
