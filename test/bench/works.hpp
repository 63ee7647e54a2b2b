// The works, written once for every runtime of fibers.
//
// A runtime R is a class of static functions:
//   R::run(fn)     runs fn in a fiber, on this thread alone
//   R::run_with(others, fn)
//                  the same beside so many further threads; call(i, f), with the argument `call` of
//                  fn, starts f in a fiber of thread i of these; f returns a std::size_t, which
//                  R::result returns of what call returned
//   R::spawn(fn)   -> R::task, to be passed to R::join once
//   R::yield()
//   R::sleep(duration)
//   R::mutex, R::condition with wait(std::unique_lock&, predicate); R::notify_one, R::notify_all
//
// Each work checks what it has done, and throws if that is wrong.
#pragma once

#include "measure.hpp"
#include "options.hpp"
#include "process.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace bench::works {

template <class R>
void join_all(std::vector<typename R::task>& tasks) {
    for (auto& each : tasks)
        R::join(each);
    tasks.clear();
}

template <class R>
figures yield(std::size_t fibers, const sizes& size) {
    constexpr std::size_t warm_up = 3;
    const std::size_t laps = size.laps / fibers + 1;
    double ns = 0;
    R::run([&] {
        std::vector<typename R::task> tasks;
        for (std::size_t i = 0; i < fibers; ++i)
            tasks.push_back(R::spawn([=] {
                for (std::size_t lap = 0; lap < laps + warm_up; ++lap)
                    R::yield();
            }));
        for (std::size_t lap = 0; lap < warm_up; ++lap)
            R::yield();
        const stopwatch watch;
        join_all<R>(tasks);
        ns = watch.ns();
    });
    return {ns / static_cast<double>(laps * fibers)};
}

template <class R>
figures spawn(const sizes& size) {
    const std::size_t laps = size.laps / 2;
    double ns = 0;
    const auto spawn_and_join = [](std::size_t times) {
        for (std::size_t i = 0; i < times; ++i) {
            auto child = R::spawn([] {});
            R::join(child);
        }
    };
    R::run([&] {
        spawn_and_join(1000);
        const stopwatch watch;
        spawn_and_join(laps);
        ns = watch.ns();
    });
    return {ns / static_cast<double>(laps)};
}

/// Cold, then warm, with the heap and the pools as the first time has left them; peak memory.
template <class R>
figures fan_out(const sizes& size) {
    const auto children = static_cast<double>(size.fan_out);
    figures measured;
    const double before = memory_now().resident;
    R::run([&] {
        std::vector<typename R::task> tasks;
        tasks.reserve(size.fan_out);
        for (int round = 0; round < 2; ++round) {
            const stopwatch watch;
            for (std::size_t i = 0; i < size.fan_out; ++i)
                tasks.push_back(R::spawn([] {}));
            join_all<R>(tasks);
            measured.push_back(watch.ns() / children);
        }
    });
    measured.push_back((peak_resident() - before) / children);
    return measured;
}

template <class R>
std::size_t sum_of_leaves(std::size_t first, std::size_t leaves) {
    if (leaves == 1)
        return first;
    constexpr std::size_t branches = 10;
    std::size_t sums[branches];
    std::vector<typename R::task> tasks;
    tasks.reserve(branches);
    for (std::size_t i = 0; i < branches; ++i)
        tasks.push_back(R::spawn([first, leaves, i, out = &sums[i]] {
            *out = sum_of_leaves<R>(first + i * (leaves / branches), leaves / branches);
        }));
    join_all<R>(tasks);
    std::size_t total = 0;
    for (const std::size_t each : sums)
        total += each;
    return total;
}

template <class R>
figures skynet(const sizes& size) {
    double ns = 0;
    std::size_t sum = 0;
    R::run([&] {
        const stopwatch watch;
        sum = sum_of_leaves<R>(0, size.skynet);
        ns = watch.ns();
    });
    check(sum == sum_below(size.skynet), "the sum of the leaves");
    return {ns / 1e6};
}

template <class R>
figures ping_pong(const sizes& size) {
    const std::size_t laps = size.laps / 4;
    double ns = 0;
    R::run([&] {
        typename R::mutex guard;
        typename R::condition changed;
        int turn = 0;
        const auto play = [&](int mine) {
            for (std::size_t lap = 0; lap < laps; ++lap) {
                std::unique_lock lock{guard};
                changed.wait(lock, [&] { return turn == mine; });
                turn = 1 - mine;
                R::notify_one(changed);
            }
        };
        auto ping = R::spawn([&] { play(0); });
        auto pong = R::spawn([&] { play(1); });
        const stopwatch watch;
        R::join(ping);
        R::join(pong);
        ns = watch.ns();
    });
    return {ns / static_cast<double>(laps)};
}

/// 128 items, on a mutex and two conditions.
template <class R>
class bounded_queue {
public:
    void send(std::size_t item) {
        std::unique_lock lock{guard_};
        not_full_.wait(lock, [this] { return size_ < items_.size(); });
        items_[(first_ + size_++) % items_.size()] = item;
        R::notify_one(not_empty_);
    }
    std::size_t receive() {
        std::unique_lock lock{guard_};
        not_empty_.wait(lock, [this] { return size_ > 0; });
        const std::size_t item = items_[first_];
        first_ = (first_ + 1) % items_.size();
        --size_;
        R::notify_one(not_full_);
        return item;
    }
    void send_all(std::size_t items) {
        for (std::size_t i = 0; i < items; ++i)
            send(i);
    }
    /// Whether they were 0, 1, 2 and so on.
    bool receive_all(std::size_t items) {
        bool in_order = true;
        for (std::size_t i = 0; i < items; ++i)
            in_order &= receive() == i;
        return in_order;
    }

private:
    typename R::mutex guard_;
    typename R::condition not_full_, not_empty_;
    std::array<std::size_t, 128> items_;
    std::size_t first_ = 0, size_ = 0;
};

/// For each of `items` that `exchange` sends and receives: nanoseconds, and those of processors.
template <class F>
figures per_item(std::size_t items, F exchange) {
    const auto count = static_cast<double>(items);
    const wall_clock wall;
    const process_clock processors;
    const bool in_order = exchange();
    const figures measured{wall.ns() / count, processors.ns() / count};
    check(in_order, "the order of the items");
    return measured;
}

template <class R>
figures queue_on_one_thread(const sizes& size) {
    const std::size_t items = size.laps;
    double ns = 0;
    bool in_order = false;
    R::run([&] {
        bounded_queue<R> queue;
        auto consumer = R::spawn([&] { in_order = queue.receive_all(items); });
        auto producer = R::spawn([&] { queue.send_all(items); });
        const stopwatch watch;
        R::join(producer);
        R::join(consumer);
        ns = watch.ns();
    });
    check(in_order, "the order of the items");
    return {ns / static_cast<double>(items)};
}

template <class R>
figures queue_between_threads(const sizes& size) {
    const std::size_t items = size.laps / 2;
    figures measured;
    R::run_with(1, [&](const auto& call) {
        bounded_queue<R> queue;
        measured = per_item(items, [&] {
            auto producer = call(0, [&] {
                queue.send_all(items);
                return std::size_t{};
            });
            const bool in_order = queue.receive_all(items);
            R::result(producer);
            return in_order;
        });
    });
    return measured;
}

/// The first thread sends, the second one passes on, this one receives.
template <class R>
figures pipeline(const sizes& size) {
    const std::size_t items = size.laps / 4;
    figures measured;
    R::run_with(2, [&](const auto& call) {
        bounded_queue<R> first, second;
        measured = per_item(items, [&] {
            auto source = call(0, [&] {
                first.send_all(items);
                return std::size_t{};
            });
            auto middle = call(1, [&] {
                for (std::size_t i = 0; i < items; ++i)
                    second.send(first.receive());
                return std::size_t{};
            });
            const bool in_order = second.receive_all(items);
            R::result(source);
            R::result(middle);
            return in_order;
        });
    });
    return measured;
}

/// Two threads take one mutex in turn, each as often as it can.
template <class R>
figures contended_mutex(const sizes& size) {
    const std::size_t laps = size.laps / 2;
    double ns = 0;
    std::size_t locks = 0;
    R::run_with(1, [&](const auto& call) {
        typename R::mutex guard;
        std::atomic<int> here{0};
        const auto lock_and_unlock = [&] {
            for (++here; here < 2;)
                std::this_thread::yield();
            for (std::size_t lap = 0; lap < laps; ++lap) {
                const std::scoped_lock lock{guard};
                ++locks;
            }
            return std::size_t{};
        };
        const wall_clock watch;
        auto other = call(0, lock_and_unlock);
        lock_and_unlock();
        R::result(other);
        ns = watch.ns();
    });
    check(locks == 2 * laps, "the number of locks");
    return {ns / static_cast<double>(locks)};
}

template <class R>
figures call(const sizes& size) {
    const std::size_t laps = size.laps / 50;
    double ns = 0;
    std::size_t sum = 0;
    R::run_with(1, [&](const auto& call) {
        const auto call_and_await = [&](std::size_t times) {
            for (std::size_t i = 0; i < times; ++i) {
                auto called = call(0, [i] { return i; });
                sum += R::result(called);
            }
        };
        call_and_await(100);
        sum = 0;
        const wall_clock watch;
        call_and_await(laps);
        ns = watch.ns();
    });
    check(sum == sum_below(laps), "the sum of the results");
    return {ns / static_cast<double>(laps) / 1000};
}

/// A thousand calls are under way at a time.
template <class R>
figures burst_of_calls(const sizes& size) {
    constexpr std::size_t calls = 1000;
    const std::size_t laps = size.laps / 5 / calls + 1;
    double ns = 0;
    std::size_t sum = 0;
    R::run_with(1, [&](const auto& call) {
        const auto burst = [&] {
            const auto identity = [&](std::size_t i) { return call(0, [i] { return i; }); };
            std::vector<decltype(identity(0))> called;
            called.reserve(calls);
            for (std::size_t i = 0; i < calls; ++i)
                called.push_back(identity(i));
            for (auto& each : called)
                sum += R::result(each);
        };
        burst();
        sum = 0;
        const wall_clock watch;
        for (std::size_t lap = 0; lap < laps; ++lap)
            burst();
        ns = watch.ns();
    });
    check(sum == laps * sum_below(calls), "the sum of the results");
    return {ns / static_cast<double>(laps * calls)};
}

/// Sleepers whose times to sleep are spread over a second. Processor time, and by how much the
/// latest one overslept.
template <class R>
figures timers(const sizes& size) {
    figures measured;
    R::run([&] {
        std::vector<typename R::task> tasks;
        tasks.reserve(size.timers);
        lateness late;
        const process_clock processors;
        for (std::size_t i = 0; i < size.timers; ++i)
            tasks.push_back(R::spawn([&late, time = time_to_sleep(i, size.timers)] {
                const auto due = lateness::clock::now() + time;
                R::sleep(time);
                late.woken(due);
            }));
        join_all<R>(tasks);
        measured = {processors.ns() / 1e6, late.worst_ms(size.timers)};
    });
    return measured;
}

/// For each fiber: spawning and parking it, waking and joining it, its memory, its page tables.
template <class R>
figures parked(const sizes& size) {
    figures measured;
    const auto fibers = static_cast<double>(size.parked);
    R::run([&] {
        typename R::mutex guard;
        typename R::condition opened;
        bool open = false;
        std::size_t waiting = 0;
        std::vector<typename R::task> tasks;
        tasks.reserve(size.parked);
        const memory before = memory_now();
        const stopwatch parking;
        for (std::size_t i = 0; i < size.parked; ++i)
            tasks.push_back(R::spawn([&] {
                std::unique_lock lock{guard};
                ++waiting;
                opened.wait(lock, [&] { return open; });
            }));
        while (waiting < size.parked)
            R::yield();
        measured.push_back(parking.ns() / fibers);
        const memory after = memory_now();
        const stopwatch waking;
        {
            const std::scoped_lock lock{guard};
            open = true;
            R::notify_all(opened);
        }
        join_all<R>(tasks);
        measured.push_back(waking.ns() / fibers);
        measured.push_back((after.resident - before.resident) / fibers);
        measured.push_back((after.page_tables - before.page_tables) / fibers);
    });
    return measured;
}

} // namespace bench::works
