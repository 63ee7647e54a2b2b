#include "runtimes.hpp"

#include <boost/fiber/all.hpp>

#include <memory>
#include <thread>

namespace bench {
namespace {

namespace fibers = boost::fibers;

/// A thread that runs each function that it is sent in a fiber.
class other_thread {
public:
    ~other_thread() {
        jobs_.close();
        thread_.join();
    }
    template <class F>
    fibers::future<std::size_t> call(F fn) {
        job sent{std::move(fn)};
        fibers::future<std::size_t> called = sent.get_future();
        jobs_.push(std::move(sent));
        return called;
    }

private:
    using job = fibers::packaged_task<std::size_t()>;

    fibers::buffered_channel<job> jobs_{2048};
    std::thread thread_{[this] {
        for (job next; jobs_.pop(next) == fibers::channel_op_status::success;)
            fibers::fiber{fibers::launch::dispatch, std::move(next)}.detach();
    }};
};

struct boost_fiber_runtime {
    using task = fibers::fiber;
    using mutex = fibers::mutex;
    using condition = fibers::condition_variable;

    template <class F>
    static void run(F fn) {
        fn();
    }
    template <class F>
    static void run_with(std::size_t others, F fn) {
        const std::unique_ptr<other_thread[]> threads{new other_thread[others]};
        fn([&](std::size_t i, auto called) { return threads[i].call(std::move(called)); });
    }
    static std::size_t result(fibers::future<std::size_t>& called) { return called.get(); }
    template <class F>
    static task spawn(F fn) {
        return task{std::move(fn)};
    }
    static void join(task& child) { child.join(); }
    static void yield() { boost::this_fiber::yield(); }
    static void sleep(std::chrono::nanoseconds time) { boost::this_fiber::sleep_for(time); }
    static void notify_one(condition& c) { c.notify_one(); }
    static void notify_all(condition& c) { c.notify_all(); }
};

} // namespace

measurements measurements_of_boost_fiber() {
    measurements all = measurements_of<boost_fiber_runtime>();
    all.emplace("timers", &works::timers<boost_fiber_runtime>);
    return all;
}

} // namespace bench
