// `run` leaves nothing behind, however it ends and whatever its tasks are waiting for.

#include "miou/logs.hpp"
#include "miou/miou.hpp"
#include "support/counted.hpp"
#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include <gtest/gtest.h>

#include <malloc.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using test::anywhere;
using test::counted;
using test::failure;

void wait_for(miou::trigger& t) {
    if (const std::exception_ptr stop = t.await())
        std::rethrow_exception(stop);
}

/// A system without events. It sleeps until it is interrupted, and fails when told to.
struct sleeper {
    std::mutex guard;
    std::condition_variable changed;
    bool interrupted = false;
    std::atomic<bool>* fails = nullptr;

    std::vector<miou::signal> select(bool block) {
        std::unique_lock held{guard};
        const auto failing = [this] { return fails != nullptr && *fails; };
        changed.wait(held, [&] { return !block || interrupted || failing(); });
        interrupted = false;
        if (failing())
            throw failure{};
        return {};
    }
    void interrupt() {
        const std::scoped_lock held{guard};
        interrupted = true;
        changed.notify_one();
    }
};

miou::events events_of(std::shared_ptr<sleeper> s) {
    return {
        .select = [s](bool block, std::span<const miou::syscall_uid>) { return s->select(block); },
        .interrupt = [s] { s->interrupt(); },
        .finaliser = {}};
}

/// What the tasks of one run wait for, and how many objects exist. It outlives the run.
struct world {
    std::atomic<int> alive = 0;
    std::atomic<int> unsettled = 0; // tasks that have not come to their wait yet
    miou::trigger settled;
    int spinning_domain = 0; // where a task yields in a loop; the other domains sleep
    miou::mutex taken;
    std::vector<miou::promise<void>> outside; // handles that survive the root

    void settle() {
        if (--unsettled == 0)
            settled.signal();
    }
    void wait_until_settled() { wait_for(settled); }
};

/// Children of the calling task. Each waits in another way; none of them needs another domain.
class crowd {
public:
    explicit crowd(world& w)
        : world_{w} {
        add([&w] { // awaits a child
            const auto child = miou::async([mine = counted{w.alive}] {
                miou::trigger never;
                wait_for(never);
            });
            w.settle();
            miou::await_exn(child);
        });
        add([&w] { // awaits several
            miou::trigger never;
            const auto wait = [&never, mine = counted{w.alive}] { wait_for(never); };
            std::vector<miou::promise<void>> children;
            for (int i = 0; i < 3; ++i)
                children.push_back(miou::async([i, wait] { i == 0 ? miou::yield() : wait(); }));
            miou::trigger another;
            children.push_back(miou::async([&another] { wait_for(another); }));
            w.settle();
            miou::await_all(children);
        });
        add([&w] { // a trigger
            miou::trigger never;
            w.settle();
            wait_for(never);
        });
        add([&w] { // a mutex, which it holds or another task holds
            w.settle();
            const std::scoped_lock held{w.taken};
            miou::trigger never;
            wait_for(never);
        });
        add([&w] {
            w.settle();
            const std::scoped_lock held{w.taken};
        });
        add([&w] { // a condition
            miou::mutex mine;
            miou::condition never;
            std::unique_lock held{mine};
            w.settle();
            never.wait(held, [] { return false; });
        });
        add([&w] { // a computation
            const miou::computation<std::string> never;
            w.settle();
            never.await_exn();
        });
        add([&w, slow = slow_] { // a lazy value, which it computes or another task computes
            w.settle();
            slow->force();
        });
        add([&w, slow = slow_] {
            w.settle();
            slow->force();
        });
        add([&w] { // the system
            const miou::syscall point{"never"};
            w.settle();
            miou::suspend(point, [mine = counted{w.alive}] {});
        });
        add([&w] { // its orphans
            miou::orphans<int> children;
            for (int i = 0; i < 3; ++i)
                miou::async(children, [i, mine = counted{w.alive}] {
                    miou::trigger never;
                    if (i != 0)
                        wait_for(never);
                    return i;
                });
            w.settle();
            while (miou::get(children)) {
            }
        });
        add([&w] { // its turn
            w.settle();
            while (miou::domain::self().to_int() == w.spinning_domain)
                miou::yield();
        });
        add([&w] { // swallows its cancellation, again and again
            w.settle();
            for (int i = 0; i < 5; ++i)
                try {
                    miou::trigger never;
                    wait_for(never);
                } catch (const miou::cancelled&) {
                }
        });
        add([&w] { // owns a resource
            miou::ownership mine{counted{w.alive}, [](const counted&) {}};
            mine.own();
            miou::trigger never;
            w.settle();
            wait_for(never);
        });
        add([&w, stopping = stopping_] { // its clean-up signals what the next two wait for
            const auto signal = [stopping] {
                stopping->first.signal();
                stopping->second.signal();
            };
            const miou::at_end clean_up{signal};
            miou::trigger never;
            w.settle();
            wait_for(never);
        });
        add([&w, stopping = stopping_] { // in an uncancellable section
            w.settle();
            miou::uncancellable([&] { EXPECT_EQ(stopping->first.await(), nullptr); });
            miou::yield();
        });
        add([&w, stopping = stopping_] { // in a destructor during unwinding
            const miou::at_end clean_up{[&] {
                EXPECT_EQ(stopping->second.await(), nullptr);
                miou::yield();
            }};
            w.settle();
            throw failure{};
        });
    }

    /// In the order in which they were spawned, which a vector does not promise: the clean-up of
    /// one child signals what others wait for.
    ~crowd() {
        for (miou::promise<void>& each : children_)
            const auto released = std::move(each);
    }
    crowd(const crowd&) = delete;
    crowd& operator=(const crowd&) = delete;

private:
    template <class F>
    void add(F fn) {
        children_.push_back(miou::async(
            [fn = std::move(fn), captured = counted{world_.alive}, &w = world_]() mutable {
                const counted local{w.alive};
                fn();
            }));
    }

    using value = std::shared_ptr<counted>;
    world& world_;
    std::shared_ptr<miou::lazy<value>> slow_{
        new auto{miou::lazy<value>::from_fun([mine = counted{world_.alive}]() -> value {
            miou::trigger never;
            wait_for(never);
            return nullptr;
        })}};
    std::shared_ptr<std::pair<miou::trigger, miou::trigger>> stopping_ =
        std::make_shared<std::pair<miou::trigger, miou::trigger>>();
    std::vector<miou::promise<void>> children_;
};
constexpr int size_of_crowd = 17;

/// A crowd on every domain.
class crowds {
public:
    explicit crowds(world& w) {
        w.unsettled = size_of_crowd * (1 + static_cast<int>(miou::domain::available()));
        near_.emplace(w);
        for (const miou::domain_uid domain : miou::domain::all())
            far_.push_back(miou::call({.pin = domain}, [&w, mine = counted{w.alive}] {
                const crowd inner{w};
                miou::trigger never;
                wait_for(never);
            }));
        w.wait_until_settled();
    }

private:
    std::optional<crowd> near_;
    std::vector<miou::promise<void>> far_;
};

using make_events = std::function<miou::events(miou::domain_uid)>;

miou::events sleepy_events(miou::domain_uid) {
    return events_of(std::make_shared<sleeper>());
}

/// Runs `root` again and again. Each run must throw an `Expected`, or return if that is void.
/// Checks after each run, and over all of them, that nothing is left.
template <class Expected, class Root>
void run_again_and_again(Root root, int domains = test::domains(),
                         make_events events = &sleepy_events) {
    constexpr int rounds = test::scaled(100, 20);
    constexpr int settled = rounds / 4;
    const std::size_t threads = test::live_threads();
    const std::size_t descriptors = test::open_descriptors();
    std::size_t mappings = 0;
    std::size_t resident = 0;
    std::size_t heap = 0;
    for (int round = 0; round < rounds; ++round) {
        {
            world w;
            w.spinning_domain = round % (domains + 1);
            const auto once = [&] {
                miou::run({.domains = domains, .events = events},
                          [&, mine = counted{w.alive}] { root(w); });
            };
            if constexpr (std::is_void_v<Expected>)
                EXPECT_NO_THROW(once());
            else
                EXPECT_THROW(once(), Expected);
            // The handles in `outside` still exist; they keep results, but no functions.
            ASSERT_EQ(w.alive, 0) << "in round " << round;
        }
        ASSERT_LE(test::live_threads(), threads + static_cast<std::size_t>(domains));
        ASSERT_EQ(test::open_descriptors(), descriptors);
        if (round == settled) {
            mappings = test::mappings();
            resident = test::resident_bytes();
            heap = ::mallinfo2().uordblks;
        }
    }
    if (TEST_SANITIZED)
        return; // the leak sanitizer is more precise
    EXPECT_LE(test::mappings(), mappings + 16);
    EXPECT_LT(test::resident_bytes(), resident + (std::size_t{8} << 20));
    // Less than one task for each round. Threads keep some memory for themselves.
    EXPECT_LT(::mallinfo2().uordblks, heap + 100 * (rounds - settled));
}

[[noreturn]] void wait_forever() {
    miou::trigger never;
    wait_for(never);
    throw std::logic_error{"it was signaled"};
}

TEST(leftovers, nothing_is_left_when_the_root_throws) {
    run_again_and_again<failure>([](world& w) {
        const crowds all{w};
        throw failure{};
    });
}

TEST(leftovers, nothing_is_left_when_everything_is_cancelled_in_normal_flow) {
    run_again_and_again<void>([](world& w) {
        miou::trigger built;
        const auto parent = miou::async([&] {
            const crowds all{w};
            built.signal();
            wait_forever();
        });
        wait_for(built);
        miou::cancel(parent);
    });
}

TEST(leftovers, nothing_is_left_when_a_child_throws) {
    run_again_and_again<failure>([](world& w) {
        const crowds all{w};
        const auto child = anywhere([mine = counted{w.alive}] {
            miou::yield();
            throw failure{};
        });
        miou::await_exn(child);
    });
}

TEST(leftovers, nothing_is_left_when_the_root_forgets_its_children) {
    run_again_and_again<miou::still_has_children>([](world& w) { const crowds all{w}; });
}

TEST(leftovers, nothing_is_left_when_handles_outlive_the_root) {
    run_again_and_again<miou::still_has_children>([](world& w) {
        w.unsettled = 3 * size_of_crowd;
        for (int i = 0; i < 3; ++i)
            w.outside.push_back(anywhere([&w, mine = counted{w.alive}] {
                const crowd inner{w};
                wait_forever();
            }));
        w.wait_until_settled();
    });
}

TEST(leftovers, nothing_is_left_when_the_root_leaks_a_resource) {
    run_again_and_again<miou::resource_leaked>([](world& w) {
        const crowds all{w};
        miou::ownership leaked{counted{w.alive}, [](const counted&) {}};
        leaked.own();
    });
}

TEST(leftovers, nothing_is_left_when_a_task_on_another_domain_leaks_a_resource) {
    run_again_and_again<miou::resource_leaked>([](world& w) {
        const crowds all{w};
        const auto child = anywhere([&w] {
            miou::ownership leaked{counted{w.alive}, [](const counted&) {}};
            leaked.own();
        });
        wait_forever();
    });
}

TEST(leftovers, nothing_is_left_when_a_task_on_another_domain_forgets_its_child) {
    run_again_and_again<miou::still_has_children>([](world& w) {
        const crowds all{w};
        const auto child = anywhere([&w] {
            static_cast<void>(miou::async([mine = counted{w.alive}] { wait_forever(); }));
        });
        wait_forever();
    });
}

TEST(leftovers, nothing_is_left_when_many_tasks_break_rules_at_once) {
    run_again_and_again<miou::rule_violation>([](world& w) {
        const crowds all{w};
        std::vector<miou::promise<void>> culprits;
        for (int i = 0; i < 6; ++i)
            culprits.push_back(anywhere([&w, i] {
                miou::ownership leaked{counted{w.alive}, [](const counted&) {}};
                if (i % 2 == 0)
                    leaked.own();
                else
                    static_cast<void>(miou::async([] { miou::yield(); }));
            }));
        wait_forever();
    });
}

TEST(leftovers, nothing_is_left_when_not_a_child_escapes) {
    run_again_and_again<miou::not_a_child>([](world& w) {
        const crowds all{w};
        const auto sibling = miou::async([mine = counted{w.alive}] { wait_forever(); });
        const auto culprit = anywhere([&] { miou::await_exn(sibling); });
        miou::await_exn(culprit);
    });
}

TEST(leftovers, nothing_is_left_when_not_owner_escapes) {
    run_again_and_again<miou::not_owner>([](world& w) {
        const crowds all{w};
        miou::ownership mine{counted{w.alive}, [](const counted&) {}};
        mine.own();
        const auto culprit = anywhere([mine]() mutable { mine.release(); });
        miou::await_exn(culprit);
    });
}

TEST(leftovers, nothing_is_left_when_a_domain_cannot_make_its_events) {
    for (int culprit = 0; culprit <= test::domains(); ++culprit)
        run_again_and_again<failure>([](world&) { ADD_FAILURE() << "the root ran"; },
                                     test::domains(),
                                     [culprit](miou::domain_uid domain) {
                                         if (domain.to_int() == culprit)
                                             throw failure{};
                                         return sleepy_events(domain);
                                     });
}

TEST(leftovers, nothing_is_left_when_a_select_throws) {
    std::atomic<bool> fails = false;
    for (int culprit = 0; culprit <= test::domains(); ++culprit)
        run_again_and_again<failure>(
            [&fails](world& w) {
                const crowds all{w};
                fails = true;
                std::vector<miou::promise<void>> alarms; // so that a sleeping domain polls again
                for (const miou::domain_uid domain : miou::domain::all())
                    alarms.push_back(miou::call({.pin = domain}, [] {}));
                wait_forever();
            },
            test::domains(),
            [culprit, &fails](miou::domain_uid domain) {
                auto made = std::make_shared<sleeper>();
                if (domain.to_int() == culprit)
                    made->fails = &fails;
                fails = false;
                return events_of(std::move(made));
            });
}

TEST(leftovers, nothing_is_left_when_finalisers_throw) {
    miou::logs::set_sink([](miou::logs::level, std::string_view) {});
    run_again_and_again<failure>(
        [](world& w) {
            const crowds all{w};
            miou::ownership mine{counted{w.alive}, [](const counted&) { throw failure{}; }};
            mine.own();
            throw failure{};
        },
        test::domains(),
        [](miou::domain_uid domain) {
            miou::events made = sleepy_events(domain);
            made.finaliser = [] { throw failure{}; };
            return made;
        });
    miou::logs::set_sink({});
}

} // namespace
