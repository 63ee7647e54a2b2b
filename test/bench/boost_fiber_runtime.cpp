#include "runtimes.hpp"

#include <boost/fiber/all.hpp>

#include <thread>

namespace bench {
namespace {

namespace fibers = boost::fibers;

struct boost_fiber_runtime {
    using task = fibers::fiber;
    using mutex = fibers::mutex;
    using condition = fibers::condition_variable;

    template <class F>
    static void run(F fn) {
        fn();
    }
    template <class F>
    static void run_with_remote(F fn) {
        using job = fibers::packaged_task<void()>;
        fibers::buffered_channel<job> jobs{64};
        std::thread other{[&] {
            for (job next; jobs.pop(next) == fibers::channel_op_status::success;)
                fibers::fiber{fibers::launch::dispatch, std::move(next)}.detach();
        }};
        fn([&](auto remote) {
            job sent{std::move(remote)};
            fibers::future<void> done = sent.get_future();
            jobs.push(std::move(sent));
            done.get();
        });
        jobs.close();
        other.join();
    }
    template <class F>
    static task spawn(F fn) {
        return task{std::move(fn)};
    }
    static void join(task& child) { child.join(); }
    static void yield() { boost::this_fiber::yield(); }
    static void notify_one(condition& c) { c.notify_one(); }
    static void notify_all(condition& c) { c.notify_all(); }
};

} // namespace

measurements measurements_of_boost_fiber() {
    return measurements_of<boost_fiber_runtime>();
}

} // namespace bench
