// The works, written once for every runtime of fibers.
//
// A runtime R is a class of static functions:
//   R::run(fn)             runs fn in a fiber, on this thread alone
//   R::run_with_remote(fn) the same with one further thread; `call`, the argument of fn, runs its
//                          own argument in a fiber of that thread, and waits for its end
//   R::spawn(fn)           -> R::task, to be passed to R::join once
//   R::yield()
//   R::mutex, R::condition with wait(std::unique_lock&, predicate); R::notify_one, R::notify_all
#pragma once

#include "measure.hpp"
#include "options.hpp"
#include "process.hpp"

#include <mutex>
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
    if (sum != size.skynet * (size.skynet - 1) / 2)
        return {};
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

template <class R>
figures call(const sizes& size) {
    const std::size_t laps = size.laps / 50;
    double ns = 0;
    R::run_with_remote([&](const auto& call_and_wait) {
        for (int i = 0; i < 100; ++i)
            call_and_wait([] {});
        const wall_clock watch;
        for (std::size_t i = 0; i < laps; ++i)
            call_and_wait([] {});
        ns = watch.ns();
    });
    return {ns / static_cast<double>(laps) / 1000};
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
