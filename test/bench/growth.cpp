#include "growth.hpp"

#include "measure.hpp"
#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <algorithm>
#include <memory>

namespace bench {
namespace {

// A round of few tasks is repeated until about so many were measured. One round before warms the
// pools.
constexpr std::size_t tasks_measured = 100'000;

/// `round(tasks)` returns the nanoseconds of its measured part.
template <class F>
double for_each_task(std::size_t tasks, F round) {
    const std::size_t rounds = std::max<std::size_t>(1, tasks_measured / tasks);
    double ns = 0;
    miou_unix::run({.domains = 0}, [&] {
        round(tasks);
        for (std::size_t i = 0; i < rounds; ++i)
            ns += round(tasks);
    });
    return ns / static_cast<double>(rounds * tasks);
}

double spawn_and_await_all(std::size_t tasks) {
    const stopwatch watch;
    std::vector<miou::promise<void>> children;
    children.reserve(tasks);
    for (std::size_t i = 0; i < tasks; ++i)
        children.push_back(miou::async([] {}));
    miou::await_all(std::move(children));
    return watch.ns();
}

/// `collect` takes out all orphans, which have finished.
template <class F>
double collect_orphans(std::size_t tasks, F collect) {
    miou::orphans<void> children;
    for (std::size_t i = 0; i < tasks; ++i)
        miou::async(children, [] {});
    miou::yield();
    const stopwatch watch;
    collect(children);
    return watch.ns();
}

double care(std::size_t tasks) {
    return collect_orphans(tasks, [](miou::orphans<void>& children) {
        while (const auto found = miou::care(children))
            if (*found)
                static_cast<void>(miou::await(**found));
            else
                miou::yield();
    });
}

double get(std::size_t tasks) {
    return collect_orphans(tasks, [](miou::orphans<void>& children) {
        while (miou::get(children)) {
        }
    });
}

double take(std::size_t tasks) {
    return collect_orphans(tasks, [](miou::orphans<void>& children) {
        while (const auto found = miou::take(children))
            static_cast<void>(miou::await(*found));
    });
}

/// Children that are parked, each on its trigger.
struct parked_children {
    explicit parked_children(std::size_t tasks)
        : triggers{new miou::trigger[tasks]} {
        promises.reserve(tasks);
        for (std::size_t i = 0; i < tasks; ++i)
            promises.push_back(miou::async([&trigger = triggers[i]] {
                if (const std::exception_ptr cancellation = trigger.await())
                    std::rethrow_exception(cancellation);
            }));
        miou::yield();
    }
    std::unique_ptr<miou::trigger[]> triggers;
    std::vector<miou::promise<void>> promises;
};

double cancel(std::size_t tasks) {
    const parked_children children{tasks};
    const stopwatch watch;
    for (const auto& each : children.promises)
        miou::cancel(each);
    return watch.ns();
}

double wake(std::size_t tasks) {
    parked_children children{tasks};
    const stopwatch watch;
    for (std::size_t i = 0; i < tasks; ++i)
        children.triggers[i].signal();
    miou::await_all(children.promises);
    return watch.ns();
}

/// The deadlines are spread over a millisecond, in no particular order.
double sleep(std::size_t tasks) {
    const stopwatch watch;
    std::vector<miou::promise<void>> sleepers;
    sleepers.reserve(tasks);
    for (std::size_t i = 0; i < tasks; ++i)
        sleepers.push_back(miou::async([seconds = 1e-6 * static_cast<double>(i * 7919 % 1000 + 1)] {
            miou_unix::sleep(seconds);
        }));
    miou::await_all(sleepers);
    return watch.ns();
}

/// `round(domains)` returns how many tasks it has run.
template <class F>
double for_each_task_over(std::size_t domains, F round) {
    double ns = 0;
    std::size_t tasks = 0;
    miou::run({.domains = static_cast<int>(domains)}, [&] {
        round(domains);
        const wall_clock watch;
        while (tasks < tasks_measured)
            tasks += round(domains);
        ns = watch.ns();
    });
    return ns / static_cast<double>(tasks);
}

constexpr std::size_t branches = 10;

/// Counts the tasks of a tree with so many leaves.
std::size_t tree(std::size_t leaves) {
    if (leaves == 1)
        return 1;
    std::vector<miou::promise<std::size_t>> children;
    children.reserve(branches);
    for (std::size_t i = 0; i < branches; ++i)
        children.push_back(miou::async([leaves] { return tree(leaves / branches); }));
    std::size_t tasks = 1;
    for (auto& each : children)
        tasks += miou::await_exn(std::move(each));
    return tasks;
}

/// A tree of 1,111 tasks for each of 96 calls, which are dealt to the domains: as much work for
/// each of up to 16.
std::size_t trees_on(std::size_t) {
    std::size_t tasks = 0;
    for (const auto& each : miou::parallel(&tree, std::vector<std::size_t>(96, 1000)))
        tasks += each.value();
    return tasks;
}

/// A thousand calls, which are dealt to the domains.
std::size_t burst_to(std::size_t domains) {
    constexpr std::size_t calls = 1000;
    const std::vector<miou::domain_uid> all = miou::domain::all();
    std::vector<miou::promise<void>> called;
    called.reserve(calls);
    for (std::size_t i = 0; i < calls; ++i)
        called.push_back(miou::call({.pin = all[i % domains]}, [] {}));
    miou::await_all(std::move(called));
    return calls;
}

std::vector<std::size_t> counts_up_to(std::size_t last, std::size_t first, std::size_t factor) {
    std::vector<std::size_t> counts;
    for (std::size_t count = first; count <= last; count *= factor)
        counts.push_back(count);
    return counts;
}

} // namespace

growth growth_of_tasks(std::size_t up_to) {
    const auto operation = [](const char* name, double (*round)(std::size_t)) {
        return growing_operation{
            name, [round](std::size_t tasks) { return for_each_task(tasks, round); }};
    };
    return {"growth of miou: ns a task of",
            counts_up_to(up_to, 1000, 10),
            {
                operation("spawn + await_all", &spawn_and_await_all),
                operation("care + await", &care),
                operation("get", &get),
                operation("take + await", &take),
                operation("cancel, parked", &cancel),
                operation("trigger wake + await_all", &wake),
                operation("sleep", &sleep),
            }};
}

growth growth_of_domains(std::size_t up_to) {
    const auto operation = [](const char* name, std::size_t (*round)(std::size_t)) {
        return growing_operation{
            name, [round](std::size_t domains) { return for_each_task_over(domains, round); }};
    };
    return {"growth of miou: ns of wall a task, domains:",
            counts_up_to(up_to, 1, 2),
            {
                operation("trees of tasks, dealt by parallel", &trees_on),
                operation("1,000 calls + await_all", &burst_to),
            }};
}

} // namespace bench
