// Triggers are signaled once, and awaited by one task or thread.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/race.hpp"
#include "support/tasks.hpp"

#include "miou/promise.hpp"
#include "miou/run.hpp"
#include "miou/trigger.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

namespace {

using test::domains;

TEST(trigger, a_task_waits_for_a_plain_thread) { // Miou test32
    for (int i = 0; i < 20; ++i)
        miou::run({.domains = domains()}, [] {
            miou::trigger trigger;
            const std::jthread thread{[&] { trigger.signal(); }};
            EXPECT_EQ(trigger.await(), nullptr);
            EXPECT_TRUE(trigger.is_signaled());
        });
}

TEST(trigger, a_plain_thread_waits_for_a_task) {
    miou::trigger trigger;
    std::jthread thread{[&] { EXPECT_EQ(trigger.await(), nullptr); }};
    miou::run({.domains = domains()},
              [&] { miou::await_exn(test::anywhere([&] { trigger.signal(); })); });
    thread.join();
}

TEST(trigger, tasks_of_two_domains_wait_for_each_other) {
    miou::run({.domains = test::at_least(1)}, [] {
        for (int i = 0; i < 50; ++i) {
            miou::trigger ping;
            miou::trigger pong;
            const auto p = miou::call([&] {
                EXPECT_EQ(ping.await(), nullptr);
                pong.signal();
            });
            ping.signal();
            EXPECT_EQ(pong.await(), nullptr);
            miou::await_exn(p);
        }
    });
}

TEST(trigger, it_is_initial_and_then_signaled_forever) {
    miou::trigger trigger;
    EXPECT_TRUE(trigger.is_initial());
    EXPECT_FALSE(trigger.is_signaled());
    trigger.signal();
    trigger.signal();
    EXPECT_FALSE(trigger.is_initial());
    EXPECT_TRUE(trigger.is_signaled());
    EXPECT_EQ(trigger.await(), nullptr);
    EXPECT_EQ(trigger.await(), nullptr);
}

TEST(trigger, while_it_is_awaited_it_is_neither_and_no_other_task_may_await_it) {
    miou::run({.domains = domains()}, [] {
        miou::trigger trigger;
        const auto p = miou::async([&] { EXPECT_EQ(trigger.await(), nullptr); });
        miou::yield();
        EXPECT_FALSE(trigger.is_initial());
        EXPECT_FALSE(trigger.is_signaled());
        EXPECT_THROW(trigger.await(), std::invalid_argument);
        EXPECT_THROW(trigger.on_signal([] {}), std::invalid_argument);
        std::thread{[&] { EXPECT_THROW(trigger.await(), std::invalid_argument); }}.join();
        trigger.signal();
        miou::await_exn(p);
    });
}

TEST(trigger, a_cancellation_is_returned_and_the_trigger_is_initial_again) {
    miou::run({.domains = domains()}, [] {
        miou::trigger trigger;
        bool returned = false;
        const auto p = miou::async([&] {
            const std::exception_ptr cancellation = trigger.await();
            EXPECT_TRUE(test::is<miou::cancelled>(cancellation));
            EXPECT_TRUE(trigger.is_initial());
            returned = true;
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_TRUE(returned);
        trigger.signal();
        EXPECT_EQ(trigger.await(), nullptr);
    });
}

TEST(trigger, a_wait_that_need_not_park_ignores_the_cancellation) {
    miou::run({.domains = domains()}, [] {
        miou::trigger trigger;
        trigger.signal();
        bool seen = false;
        const auto p = miou::async([&] {
            try {
                test::forever();
            } catch (const miou::cancelled&) {
            }
            EXPECT_EQ(trigger.await(), nullptr);
            seen = true;
        });
        miou::yield();
        miou::cancel(p);
        EXPECT_TRUE(seen);
    });
}

TEST(trigger, waiting_in_an_uncancellable_section_ends_with_the_signal) {
    miou::run({.domains = domains()}, [] {
        miou::trigger trigger;
        bool seen = false;
        const auto p = miou::async([&] {
            miou::uncancellable([&] { EXPECT_EQ(trigger.await(), nullptr); });
            seen = true;
        });
        miou::yield();
        const auto q = miou::async([&] { trigger.signal(); });
        miou::cancel(p);
        EXPECT_TRUE(seen);
        miou::await_exn(q);
    });
}

TEST(trigger, on_signal_runs_its_function_on_the_thread_that_signals) {
    miou::trigger trigger;
    std::thread::id ran_on;
    ASSERT_TRUE(trigger.on_signal(
        [&, mine = std::make_unique<int>(1)] { ran_on = std::this_thread::get_id(); }));
    std::thread::id signaler;
    std::thread{[&] {
        signaler = std::this_thread::get_id();
        trigger.signal();
    }}.join();
    EXPECT_EQ(ran_on, signaler);
    EXPECT_FALSE(trigger.on_signal([] { ADD_FAILURE(); }));
}

TEST(trigger, a_function_that_is_not_signaled_is_destroyed_with_it) {
    const auto witness = std::make_shared<int>();
    {
        miou::trigger trigger;
        trigger.on_signal([witness] { ADD_FAILURE(); });
        EXPECT_EQ(witness.use_count(), 2);
    }
    EXPECT_EQ(witness.use_count(), 1);
}

TEST(trigger, it_may_be_destroyed_as_soon_as_await_has_returned) {
    miou::run({.domains = domains()}, [] {
        constexpr int times = 100;
        std::atomic<miou::trigger*> shared = nullptr;
        std::jthread signaler{[&] {
            for (int signaled = 0; signaled < times;)
                if (miou::trigger* const each = shared.exchange(nullptr)) {
                    each->signal();
                    ++signaled;
                } else {
                    std::this_thread::yield();
                }
        }};
        for (int i = 0; i < times; ++i) {
            auto mine = std::make_unique<miou::trigger>();
            shared = mine.get();
            EXPECT_EQ(mine->await(), nullptr);
        }
    });
}

TEST(trigger, signals_race_with_cancellations) {
    miou::run({.domains = test::at_least(1)}, [] {
        for (int i = 0; i < 100; ++i) {
            miou::trigger trigger;
            const auto victim = miou::async([&] { static_cast<void>(trigger.await()); });
            const auto signaler = miou::call([&] { trigger.signal(); });
            if (i % 2)
                miou::yield();
            miou::cancel(victim);
            miou::await_exn(signaler);
            EXPECT_TRUE(trigger.is_signaled());
        }
    });
}

/// Four steps in any order: two signal, and two attach a function.
class signals_and_attachments { // Miou test_sync test01
public:
    void signal() { trigger_->signal(); }
    void attach() {
        try {
            ++(trigger_->on_signal([this] { ++signaled_; }) ? won_ : lost_);
        } catch (const std::invalid_argument&) {
            ++raised_;
        }
    }
    void start() {
        trigger_.emplace();
        EXPECT_TRUE(trigger_->is_initial());
        signaled_ = won_ = lost_ = raised_ = 0;
    }
    void check() {
        EXPECT_TRUE(trigger_->is_signaled());
        EXPECT_LE(won_, 1);
        EXPECT_EQ(won_, signaled_);
        EXPECT_LE(lost_, 2);
        EXPECT_LE(raised_, won_);
        EXPECT_EQ(raised_, lost_ == 0 ? 1 : 0);
        EXPECT_EQ(won_ + lost_ + raised_, 2);
        all_signaled += signaled_;
        all_won += won_;
        all_lost += lost_;
        all_raised += raised_;
    }

    int all_signaled = 0;
    int all_won = 0;
    int all_lost = 0;
    int all_raised = 0;

private:
    std::optional<miou::trigger> trigger_;
    std::atomic<int> signaled_, won_, lost_, raised_;
};

TEST(trigger, signals_and_attachments_agree_in_every_order) {
    signals_and_attachments it;
    std::array order{0, 1, 2, 3};
    do {
        it.start();
        for (const int each : order)
            each < 2 ? it.signal() : it.attach();
        it.check();
    } while (std::ranges::next_permutation(order).found);
    EXPECT_GT(it.all_signaled, 0);
    EXPECT_GT(it.all_won, 0);
    EXPECT_GT(it.all_lost, 0);
    EXPECT_GT(it.all_raised, 0);
}

TEST(trigger, signals_and_attachments_agree_when_they_race) {
    signals_and_attachments it;
    test::race(
        100, [&] { it.start(); },
        {[&] { it.signal(); }, [&] { it.signal(); }, [&] { it.attach(); }, [&] { it.attach(); }},
        [&] { it.check(); });
}

TEST(trigger_death_test, destroying_one_that_a_task_awaits_names_the_task) {
    EXPECT_DEATH(miou::run({.domains = domains()},
                           [] {
                               auto doomed = std::make_unique<miou::trigger>();
                               const auto waiting = miou::async([&] { doomed->await(); });
                               miou::yield();
                               doomed.reset();
                           }),
                 "miou: a trigger was destroyed while task [0-9]+ \\(spawned at [^ "
                 "]*trigger_test.cpp:[0-9]+\\) "
                 "waited for it");
}

TEST(trigger_death_test, destroying_one_that_a_thread_awaits_says_so) {
    EXPECT_DEATH(
        {
            auto doomed = std::make_unique<miou::trigger>();
            const std::jthread waiting{[&] { doomed->await(); }};
            while (doomed->is_initial())
                std::this_thread::yield();
            doomed.reset();
        },
        "miou: a trigger was destroyed while a thread waited for it");
}

} // namespace
