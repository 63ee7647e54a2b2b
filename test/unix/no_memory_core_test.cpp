// Programs of the core, to be run without memory.

#include "support/domains.hpp"
#include "support/no_memory.hpp"
#include "support/tasks.hpp"
#include "support/ticks.hpp"

#include "miou/miou.hpp"

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace no_memory::core {

using test::anywhere;
using test::at_least;
using test::domains;

template <class F>
int on_core(F fn) {
    return miou::run({.domains = domains()}, std::move(fn));
}

int tasks() {
    return on_core([mine = counted{}] {
        auto a = miou::async([mine = counted{}] { return 1; });
        auto b = anywhere([mine = counted{}] {
            auto c = miou::async([mine = counted{}] { return std::string(100, 'x'); });
            return static_cast<int>(miou::await_exn(std::move(c)).size());
        });
        miou::yield();
        return miou::await_exn(a) + miou::await_exn(b);
    });
}

int cancelled_subtree() {
    return on_core([] {
        const auto tree = anywhere([mine = counted{}] {
            const auto here = miou::async([mine = counted{}] { test::forever(); });
            const auto there = anywhere([mine = counted{}] { test::forever(); });
            miou::await_exn(here);
            miou::await_exn(there);
        });
        miou::yield();
        miou::cancel(tree);
        return miou::await(tree).has_error() ? 1 : 0;
    });
}

int forgotten_child() {
    try {
        return on_core([] {
            const auto child = anywhere([mine = counted{}] { test::forever(); });
            miou::yield();
            return 0;
        });
    } catch (const miou::still_has_children&) {
        return 1;
    }
}

int orphaned_children() {
    return on_core([] {
        miou::orphans<int> some;
        for (int i = 1; i <= 3; ++i)
            static_cast<void>(miou::async(some, [i, mine = counted{}] { return i; }));
        int sum = 0;
        while (const auto next = miou::get(some))
            sum += next->value();
        return sum;
    });
}

int parallel_elements() {
    return miou::run({.domains = at_least(1)}, [] {
        int sum = 0;
        for (const auto& each :
             miou::parallel([mine = counted{}](int n) { return 2 * n; }, {1, 2, 3, 4}))
            sum += each.value();
        return sum;
    });
}

int first_of_several() {
    return on_core([] {
        const auto never = [mine = counted{}]() -> int { test::forever(); };
        std::vector<miou::promise<int>> several;
        several.push_back(miou::async(never));
        several.push_back(anywhere([mine = counted{}] { return 1; }));
        const int one = miou::await_first(several).value();
        const auto late = miou::async(never);
        const auto two = miou::async([mine = counted{}] { return std::string(2, 'x'); });
        return one + static_cast<int>(std::get<1>(miou::await_first(late, two).value()).size());
    });
}

int owned_resources() {
    int finalised = 0; // outlives the task: its finalisers run when its function has ended
    return on_core([&] {
        const auto make = [&] {
            return miou::ownership{counted{}, [&](counted&) { ++finalised; }};
        };
        const auto released = make();
        released.own();
        const auto given = make();
        const auto child =
            miou::async({.give = {given}}, [=, mine = counted{}] { given.transfer(); });
        miou::await_exn(child);
        given.release();
        released.release();
        return finalised;
    });
}

int finalisers_that_throw() {
    return on_core([] {
        const auto outcome = miou::await(anywhere([mine = counted{}] {
            const miou::ownership one{counted{}, [](counted&) { throw expected_failure{}; }};
            one.own();
            const miou::ownership other{counted{}, [](counted&) { throw 1; }};
            other.own();
            throw expected_failure{};
        }));
        return outcome.has_error() ? 1 : 0;
    });
}

int leaked_resource() {
    try {
        return on_core([] {
            const miou::ownership leaked{counted{}, [](counted&) { throw expected_failure{}; }};
            leaked.own();
            return 0;
        });
    } catch (const miou::resource_leaked&) {
        return 1;
    }
}

int hooks() {
    int steps = 0; // outlives the run: hooks run until its end
    return on_core([&] {
        const auto good = miou::hook::add([&steps, mine = counted{}] { ++steps; });
        miou::hook::add([mine = counted{}] { throw expected_failure{}; });
        while (steps < 3)
            miou::yield();
        good.remove();
        miou::yield();
        return steps;
    });
}

int triggers() {
    return on_core([] {
        miou::trigger fires;
        std::atomic<int> calls = 0;
        fires.on_signal([&, mine = counted{}] {
            ++calls;
            throw expected_failure{};
        });
        miou::trigger dropped;
        dropped.on_signal([mine = counted{}] {});
        miou::trigger awaited;
        const auto child = anywhere([&] {
            const miou::at_end tell{[&] { awaited.signal(); }}; // also when this fails
            fires.signal();
        });
        wait_for(awaited);
        miou::await_exn(child);
        return calls.load();
    });
}

int computations() {
    return on_core([] {
        const miou::computation<std::string> value;
        const auto child = anywhere([=, mine = counted{}] {
            const bool done = value.try_capture([] { return std::string(50, 'x'); });
            return done && !value.is_running();
        });
        miou::trigger attached;
        const bool is_attached = value.try_attach(attached);
        const auto outcome = value.await();
        if (is_attached)
            value.detach(attached);
        miou::await_exn(child);
        const miou::computation<void> from, into;
        const auto between = miou::canceller(from, into);
        from.try_attach(*between);
        from.try_cancel(std::make_exception_ptr(expected_failure{}));
        return static_cast<int>(outcome.value().size()) + (into.is_running() ? 0 : 1);
    });
}

int contention() {
    return on_core([] {
        miou::mutex guard;
        miou::condition changed;
        int waiting = 3;
        const auto part = [&, mine = counted{}] {
            std::unique_lock lock{guard};
            --waiting;
            changed.broadcast();
            changed.wait(lock, [&] { return waiting == 0; });
        };
        const auto a = anywhere(part);
        const auto b = miou::async(part);
        part();
        miou::await_exn(a);
        miou::await_exn(b);
        return 1;
    });
}

int lazy_values() {
    return on_core([] {
        auto text = miou::lazy<std::string>::from_fun([mine = counted{}] {
            miou::yield();
            return std::string(40, 'x');
        });
        const auto other = anywhere([&] { return text.force().size(); });
        const std::size_t mine = text.force().size();
        return static_cast<int>(mine + miou::await_exn(other));
    });
}

int protected_functions() {
    int cleaned = 0;
    const int wanted = on_core([&] {
        bool entered = false;
        const auto child = miou::async([&] {
            miou::protect(
                {.on_cancellation = [&] { ++cleaned; }, .finally = [&](bool) { ++cleaned; }},
                [&, mine = counted{}] {
                    entered = true;
                    test::forever();
                });
        });
        miou::yield();
        miou::cancel(child);
        miou::protect({.finally = [&](bool) { ++cleaned; }}, [] {});
        return entered ? 3 : 1;
    });
    return cleaned == wanted ? 1 : 0;
}

int limited_pieces() {
    return on_core([] {
        miou::cancel_scope limit;
        const auto child = anywhere([&, mine = counted{}] { limit.cancel(); });
        const bool returned = limit.run([&, mine = counted{}] {
            test::yield_until([&] { return child.state() == miou::promise_state::exited; });
        });
        miou::await_exn(child);
        return returned ? 0 : 1;
    });
}

int suspensions() {
    test::ticks system;
    int woken = 0;
    system.run(domains(), [&] {
        const auto a = anywhere([&, mine = counted{}] { system.sleep(2); });
        const auto b = miou::async([&, mine = counted{}] { system.sleep(1'000'000); });
        system.sleep(1);
        miou::cancel(b);
        miou::await_exn(a);
        woken = 1;
    });
    return woken;
}

int systems_that_throw_at_their_end() {
    return miou::run(
        {.domains = domains(),
         .events =
             [](miou::domain_uid) {
                 return miou::events{{}, {}, [mine = counted{}] { throw expected_failure{}; }};
             }},
        [] { return miou::await_exn(anywhere([] { return 1; })); });
}

int nested_runs() {
    return on_core([] { return miou::await_exn(anywhere([] { return tasks() + contention(); })); });
}

int cleanup_that_suspends() {
    return on_core([] {
        const auto outcome = miou::await(anywhere([mine = counted{}] {
            const miou::at_end clean_up{[] { miou::yield(); }};
            const auto child = miou::async([mine = counted{}] { test::forever(); });
            miou::yield();
            throw expected_failure{};
        }));
        return outcome.has_error() ? 1 : 0;
    });
}

int traces() {
    std::atomic<int> events = 0;
    miou::trace::set_reporter([&, mine = counted{}](const miou::trace::event&) { ++events; });
    const miou::at_end until_return{[] { miou::trace::set_reporter({}); }};
    suspensions();
    miou::trace::set_reporter(
        [mine = counted{}](const miou::trace::event&) { throw expected_failure{}; });
    return suspensions();
}

constexpr program programs[] = {
    {"tasks", tasks, 101},
    {"cancelled_subtree", cancelled_subtree, 1},
    {"forgotten_child", forgotten_child, 1},
    {"orphaned_children", orphaned_children, 6},
    {"parallel_elements", parallel_elements, 20},
    {"first_of_several", first_of_several, 3},
    {"owned_resources", owned_resources, 2},
    {"finalisers_that_throw", finalisers_that_throw, 1},
    {"leaked_resource", leaked_resource, 1},
    {"hooks", hooks, 3},
    {"triggers", triggers, 1},
    {"computations", computations, 51},
    {"contention", contention, 1},
    {"lazy_values", lazy_values, 80},
    {"protected_functions", protected_functions, 1},
    {"limited_pieces", limited_pieces, 1},
    {"suspensions", suspensions, 1},
    {"systems_that_throw_at_their_end", systems_that_throw_at_their_end, 1},
    {"nested_runs", nested_runs, 102},
    {"cleanup_that_suspends", cleanup_that_suspends, 1},
    {"traces", traces, 1},
};

INSTANTIATE_TEST_SUITE_P(core, out_of_memory, testing::ValuesIn(programs),
                         [](const auto& each) { return std::string{each.param.name}; });

} // namespace no_memory::core
