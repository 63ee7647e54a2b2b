// Asio with the coroutines of C++20, which have no stacks.
#include "runtimes.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <thread>

namespace bench {
namespace {

namespace asio = boost::asio;
using context_executor = asio::io_context::executor_type;
using timer_type = asio::basic_waitable_timer<lateness::clock, asio::wait_traits<lateness::clock>,
                                              context_executor>;
template <class T>
using task = asio::awaitable<T, context_executor>;

constexpr asio::use_awaitable_t<context_executor> use_task;
constexpr auto use_tuple = asio::as_tuple(use_task);
constexpr int one_thread = BOOST_ASIO_CONCURRENCY_HINT_UNSAFE;

void rethrow(const std::exception_ptr& error) {
    if (error)
        std::rethrow_exception(error);
}

/// Runs `body`, which gets the executor and returns a task.
template <class F>
void run(F body, int threads = one_thread) {
    asio::io_context io{threads};
    asio::co_spawn(io.get_executor(), body(io.get_executor()), &rethrow);
    io.run();
}

/// Children of one thread that are waited for together.
class children {
public:
    explicit children(context_executor on)
        : all_ended_{on, timer_type::time_point::max()} {}

    void spawn(task<void> child) {
        ++running_;
        asio::co_spawn(all_ended_.get_executor(), std::move(child),
                       [this](const std::exception_ptr& error) {
                           rethrow(error);
                           if (--running_ == 0)
                               all_ended_.cancel();
                       });
    }
    task<void> join() {
        if (running_ > 0)
            co_await all_ended_.async_wait(use_tuple);
    }

private:
    timer_type all_ended_;
    std::size_t running_ = 0;
};

task<void> yield_often(context_executor on, std::size_t laps) {
    for (std::size_t lap = 0; lap < laps; ++lap)
        co_await asio::post(on, use_task);
}

figures yield(std::size_t coroutines, const sizes& size) {
    const std::size_t laps = size.laps / coroutines + 1;
    double ns = 0;
    run([&](context_executor on) -> task<void> {
        children all{on};
        for (std::size_t i = 0; i < coroutines; ++i)
            all.spawn(yield_often(on, laps));
        const stopwatch watch;
        co_await all.join();
        ns = watch.ns();
    });
    return {ns / static_cast<double>(laps * coroutines)};
}

task<void> count(std::size_t& ran) {
    ++ran;
    co_return;
}

figures spawn(const sizes& size) {
    const std::size_t laps = size.laps / 2;
    double ns = 0;
    std::size_t ran = 0;
    run([&](context_executor on) -> task<void> {
        const stopwatch watch;
        for (std::size_t lap = 0; lap < laps; ++lap)
            co_await asio::co_spawn(on, count(ran), use_task);
        ns = watch.ns();
    });
    check(ran == laps, "the number of children that ran");
    return {ns / static_cast<double>(laps)};
}

figures fan_out(const sizes& size) {
    const auto coroutines = static_cast<double>(size.fan_out);
    figures measured;
    std::size_t ran = 0;
    const double before = memory_now().resident;
    run([&](context_executor on) -> task<void> {
        for (int round = 0; round < 2; ++round) {
            const stopwatch watch;
            children all{on};
            for (std::size_t i = 0; i < size.fan_out; ++i)
                all.spawn(count(ran));
            co_await all.join();
            measured.push_back(watch.ns() / coroutines);
        }
    });
    check(ran == 2 * size.fan_out, "the number of children that ran");
    measured.push_back((peak_resident() - before) / coroutines);
    return measured;
}

task<void> sum_leaves(context_executor on, std::size_t first, std::size_t leaves,
                      std::size_t& sum) {
    if (leaves == 1) {
        sum += first;
        co_return;
    }
    constexpr std::size_t branches = 10;
    children all{on};
    for (std::size_t i = 0; i < branches; ++i)
        all.spawn(sum_leaves(on, first + i * (leaves / branches), leaves / branches, sum));
    co_await all.join();
}

figures skynet(const sizes& size) {
    double ns = 0;
    std::size_t sum = 0;
    run([&](context_executor on) -> task<void> {
        const stopwatch watch;
        co_await sum_leaves(on, 0, size.skynet, sum);
        ns = watch.ns();
    });
    check(sum == sum_below(size.skynet), "the sum of the leaves");
    return {ns / 1e6};
}

task<void> park(timer_type& opened, std::size_t& waiting) {
    ++waiting;
    co_await opened.async_wait(use_tuple);
    --waiting;
}

figures parked(const sizes& size) {
    const auto coroutines = static_cast<double>(size.parked);
    figures measured;
    std::size_t waiting = 0;
    run([&](context_executor on) -> task<void> {
        timer_type opened{on, timer_type::time_point::max()};
        children all{on};
        const memory before = memory_now();
        const stopwatch parking;
        for (std::size_t i = 0; i < size.parked; ++i)
            all.spawn(park(opened, waiting));
        while (waiting < size.parked)
            co_await asio::post(on, use_task);
        measured.push_back(parking.ns() / coroutines);
        const memory after = memory_now();
        const stopwatch waking;
        opened.cancel();
        co_await all.join();
        measured.push_back(waking.ns() / coroutines);
        measured.push_back((after.resident - before.resident) / coroutines);
        measured.push_back((after.page_tables - before.page_tables) / coroutines);
    });
    check(waiting == 0, "the number of coroutines that woke");
    return measured;
}

task<void> sleep(context_executor on, std::chrono::nanoseconds time, lateness& late) {
    timer_type timer{on, lateness::clock::now() + time};
    co_await timer.async_wait(use_task);
    late.woken(timer.expiry());
}

figures timers(const sizes& size) {
    lateness late;
    double ns = 0;
    run([&](context_executor on) -> task<void> {
        const process_clock processors;
        children all{on};
        for (std::size_t i = 0; i < size.timers; ++i)
            all.spawn(sleep(on, time_to_sleep(i, size.timers), late));
        co_await all.join();
        ns = processors.ns();
    });
    return {ns / 1e6, late.worst_ms(size.timers)};
}

task<std::size_t> identity(std::size_t i) {
    co_return i;
}

/// Runs `body`, which gets the executors of this thread and of another one.
template <class F>
void run_with_other(F body) {
    asio::io_context other;
    auto work = asio::make_work_guard(other);
    std::thread thread{[&] { other.run(); }};
    const auto end = [&] {
        work.reset();
        thread.join();
    };
    try {
        run([&](context_executor on) { return body(on, other.get_executor()); },
            BOOST_ASIO_CONCURRENCY_HINT_DEFAULT);
    } catch (...) {
        end();
        throw;
    }
    end();
}

figures call(const sizes& size) {
    const std::size_t laps = size.laps / 50;
    double ns = 0;
    std::size_t sum = 0;
    run_with_other([&](context_executor, context_executor there) -> task<void> {
        const wall_clock watch;
        for (std::size_t i = 0; i < laps; ++i)
            sum += co_await asio::co_spawn(there, identity(i), use_task);
        ns = watch.ns();
    });
    check(sum == sum_below(laps), "the sum of the results");
    return {ns / static_cast<double>(laps) / 1000};
}

task<void> call_and_add(context_executor there, std::size_t i, std::size_t& sum) {
    sum += co_await asio::co_spawn(there, identity(i), use_task);
}

figures burst_of_calls(const sizes& size) {
    constexpr std::size_t calls = 1000;
    const std::size_t laps = size.laps / 5 / calls + 1;
    double ns = 0;
    std::size_t sum = 0;
    run_with_other([&](context_executor on, context_executor there) -> task<void> {
        const wall_clock watch;
        for (std::size_t lap = 0; lap < laps; ++lap) {
            children all{on};
            for (std::size_t i = 0; i < calls; ++i)
                all.spawn(call_and_add(there, i, sum));
            co_await all.join();
        }
        ns = watch.ns();
    });
    check(sum == laps * sum_below(calls), "the sum of the results");
    return {ns / static_cast<double>(laps * calls)};
}

} // namespace

measurements measurements_of_asio_coroutines() {
    return {
        {"yield2", [](const sizes& size) { return yield(2, size); }},
        {"yield1000", [](const sizes& size) { return yield(1000, size); }},
        {"spawn", &spawn},
        {"fanout", &fan_out},
        {"skynet", &skynet},
        {"parked", &parked},
        {"call", &call},
        {"burst", &burst_of_calls},
        {"timers", &timers},
    };
}

} // namespace bench
