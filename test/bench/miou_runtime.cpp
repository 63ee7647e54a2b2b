#include "miou/miou.hpp"
#include "runtimes.hpp"

namespace bench {
namespace {

struct miou_runtime {
    using task = miou::promise<void>;
    using mutex = miou::mutex;
    using condition = miou::condition;

    template <class F>
    static void run(F fn) {
        miou::run({.domains = 0}, fn);
    }
    template <class F>
    static void run_with(std::size_t others, F fn) {
        miou::run({.domains = static_cast<int>(others)}, [&] {
            fn([all = miou::domain::all()](std::size_t i, auto called) {
                return miou::call({.pin = all[i]}, std::move(called));
            });
        });
    }
    static std::size_t result(miou::promise<std::size_t>& called) {
        return miou::await_exn(std::move(called));
    }
    template <class F>
    static task spawn(F fn) {
        return miou::async(std::move(fn));
    }
    static void join(task& child) { miou::await_exn(std::move(child)); }
    static void yield() { miou::yield(); }
    static void notify_one(condition& c) { c.signal(); }
    static void notify_all(condition& c) { c.broadcast(); }
};

void park_leaves(std::size_t leaves, std::size_t& tasks, std::size_t& parked) {
    ++tasks;
    if (leaves == 1) {
        ++parked;
        miou::trigger never;
        if (const std::exception_ptr cancellation = never.await())
            std::rethrow_exception(cancellation);
        return;
    }
    std::vector<miou::promise<void>> children;
    for (int i = 0; i < 10; ++i)
        children.push_back(
            miou::async([leaves, &tasks, &parked] { park_leaves(leaves / 10, tasks, parked); }));
    miou::await_all(children);
}

figures cancel(const sizes& size) {
    double ns = 0;
    std::size_t tasks = 0;
    miou::run({.domains = 0}, [&] {
        std::size_t parked = 0;
        const auto root = miou::async([&] { park_leaves(size.tree, tasks, parked); });
        while (parked < size.tree)
            miou::yield();
        const stopwatch watch;
        miou::cancel(root);
        ns = watch.ns();
    });
    return {ns / static_cast<double>(tasks)};
}

} // namespace

measurements measurements_of_miou() {
    measurements all = measurements_of<miou_runtime>();
    all.emplace("cancel", &cancel);
    return all;
}

} // namespace bench
