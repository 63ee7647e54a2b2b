// Hooks: functions that run at every scheduling step of a domain.

#include "support/domains.hpp"
#include "support/errors.hpp"

#include "miou/computation.hpp"
#include "miou/condition.hpp"
#include "miou/domain.hpp"
#include "miou/hook.hpp"
#include "miou/logs.hpp"
#include "miou/promise.hpp"
#include "miou/run.hpp"
#include "miou/trigger.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using test::domains;

/// Collects what is logged while it exists.
class captured_log {
public:
    captured_log() {
        miou::logs::set_sink([this](miou::logs::level, std::string_view line) {
            lines_ += line;
            lines_ += '\n';
        });
    }
    ~captured_log() { miou::logs::set_sink({}); }
    captured_log(const captured_log&) = delete;
    captured_log& operator=(const captured_log&) = delete;
    const std::string& lines() const { return lines_; }

private:
    std::string lines_;
};

TEST(hook, they_run_newest_first_and_one_that_throws_is_removed) { // Miou test38
    const captured_log log;
    std::string seen;
    miou::run({.domains = domains()}, [&] {
        const auto h1 = miou::hook::add([&] { seen += "h1 "; });
        const auto h2 = miou::hook::add([&] {
            seen += "h2 ";
            throw std::runtime_error{"the second hook"};
        });
        miou::yield();
        EXPECT_EQ(seen, "h2 h1 ");
        miou::yield();
        EXPECT_EQ(seen, "h2 h1 h1 ");
        h2.remove();
        h1.remove();
        miou::yield();
        EXPECT_EQ(seen, "h2 h1 h1 ");
    });
    EXPECT_TRUE(test::contains(log.lines(), "the second hook")) << log.lines();
}

TEST(hook, another_domain_may_not_remove_it) { // Miou test39
    miou::run({.domains = test::at_least(1)}, [] {
        const auto hook = miou::hook::add([] {});
        const auto p = miou::call([&] { hook.remove(); });
        EXPECT_TRUE(test::failed_with<std::invalid_argument>(miou::await(p)));
        std::thread{[&] { EXPECT_THROW(hook.remove(), std::invalid_argument); }}.join();
    });
}

TEST(hook, another_task_of_the_domain_may_remove_it) {
    miou::run({.domains = domains()}, [] {
        int runs = 0;
        const auto hook = miou::hook::add([&] { ++runs; });
        miou::await_exn(miou::async([&] {
            hook.remove();
            hook.remove();
        }));
        const int before = runs;
        miou::yield();
        EXPECT_EQ(runs, before);
    });
}

TEST(hook, it_runs_only_on_its_own_domain) {
    miou::run({.domains = test::at_least(1)}, [] {
        const auto check = [] {
            const auto thread = std::this_thread::get_id();
            int runs = 0;
            const auto hook = miou::hook::add([&] {
                EXPECT_EQ(std::this_thread::get_id(), thread);
                ++runs;
            });
            for (int i = 0; i < 10; ++i)
                miou::yield();
            EXPECT_GE(runs, 10);
            hook.remove();
        };
        const auto p = miou::call(check);
        check();
        miou::await_exn(p);
    });
}

TEST(hook, it_stays_until_the_end_of_the_run_when_its_handle_is_dropped) {
    int runs = 0;
    miou::run({.domains = domains()}, [&] {
        miou::hook::add([&] { ++runs; });
        for (int i = 0; i < 5; ++i)
            miou::yield();
    });
    EXPECT_GE(runs, 5);
}

TEST(hook, it_may_remove_itself_and_others) {
    miou::run({.domains = domains()}, [] {
        int older = 0;
        int newer = 0;
        const auto first = miou::hook::add([&] { ++older; });
        std::optional<miou::hook> second;
        second = miou::hook::add([&] {
            ++newer;
            first.remove();
            second->remove();
        });
        for (int i = 0; i < 3; ++i)
            miou::yield();
        EXPECT_EQ(newer, 1);
        EXPECT_EQ(older, 0);
    });
}

TEST(hook, it_is_outside_of_any_task_but_may_signal_triggers) {
    miou::run({.domains = domains()}, [] {
        miou::trigger woken;
        bool refused = false;
        const auto hook = miou::hook::add([&] {
            try {
                miou::yield();
            } catch (const miou::outside_of_task&) {
                refused = true;
            }
            EXPECT_THROW(miou::domain::self(), miou::outside_of_task);
            EXPECT_THROW(miou::hook::add([] {}), miou::outside_of_task);
            woken.signal();
        });
        EXPECT_EQ(woken.await(), nullptr);
        EXPECT_TRUE(refused);
        hook.remove();
    });
}

TEST(hook, it_may_be_move_only_and_is_destroyed_with_the_run) {
    const auto witness = std::make_shared<int>();
    miou::run({.domains = domains()}, [&] {
        miou::hook::add([mine = std::make_unique<std::shared_ptr<int>>(witness)] { ++**mine; });
        miou::yield();
    });
    EXPECT_EQ(witness.use_count(), 1);
    EXPECT_GE(*witness, 1);
}

TEST(hook, it_needs_a_task) {
    EXPECT_THROW(miou::hook::add([] {}), miou::outside_of_task);
}

TEST(hook, it_may_not_wait_and_what_it_tried_to_wait_for_is_unharmed) {
    miou::run({.domains = domains()}, [] {
        miou::mutex guard;
        miou::mutex free;
        miou::condition changed;
        const miou::computation<int> value;
        int refused = 0;
        const auto refuses = [&](auto wait) {
            try {
                wait();
            } catch (const miou::outside_of_task&) {
                ++refused;
            }
        };
        guard.lock();
        const auto hook = miou::hook::add([&] {
            refuses([&] { guard.lock(); });
            refuses([&] { value.await(); });
            const std::unique_lock held{free}; // the lock is free, so this does not wait
            refuses([&] { changed.wait(free); });
            EXPECT_TRUE(held.owns_lock());
        });
        miou::yield();
        hook.remove();
        EXPECT_GE(refused, 3);
        EXPECT_EQ(refused % 3, 0);
        guard.unlock();
        EXPECT_TRUE(guard.try_lock());
        guard.unlock();
        changed.broadcast();
        value.try_return(1);
        EXPECT_TRUE(free.try_lock());
        free.unlock();
    });
}

TEST(hook, using_a_moved_from_hook_is_a_clear_error) {
    miou::run({.domains = domains()}, [] {
        auto from = miou::hook::add([] {});
        const miou::hook into = std::move(from);
        EXPECT_EQ(test::message_of<std::invalid_argument>([&] { from.remove(); }),
                  "miou: this hook was moved from");
        into.remove();
    });
}

} // namespace
