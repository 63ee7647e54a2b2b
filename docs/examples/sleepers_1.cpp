// How to add a system call to Miou, step 1: a task that sleeps lets the others run. It is a port of
// tutorials/sleepers/t01.ml of OCaml's Miou.

#include "miou/miou.hpp"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <stdexcept>
#include <thread>
#include <utility>

namespace {

using seconds = std::chrono::duration<double>;
using clock = std::chrono::steady_clock;

/// For one domain only: nothing protects it from other threads. Step 2 is about that.
std::map<miou::syscall_uid, std::pair<miou::syscall, seconds>> sleepers;

void sleep(seconds until) {
    const miou::syscall syscall;
    const auto fn = [&] { sleepers.emplace(syscall.uid(), std::pair{syscall, until}); };
    miou::suspend(syscall, fn);
}

std::vector<miou::signal> select(bool, std::span<const miou::syscall_uid>) {
    if (sleepers.empty())
        return {};
    const auto min =
        std::ranges::min_element(sleepers, {}, [](const auto& each) { return each.second.second; });
    const seconds until = std::min(seconds{0.100}, min->second.second);
    std::this_thread::sleep_for(until);
    for (auto& [uid, sleeper] : sleepers)
        sleeper.second = std::max(seconds::zero(), sleeper.second - until);
    std::vector<miou::signal> cs;
    std::erase_if(sleepers, [&](const auto& each) {
        const auto& [syscall, left] = each.second;
        if (left > seconds::zero())
            return false;
        cs.emplace_back(syscall);
        return true;
    });
    return cs;
}

miou::events events(miou::domain_uid) {
    return {.select = select, .interrupt = {}, .finaliser = {}};
}

} // namespace

int main() try {
    const auto t0 = clock::now();
    miou::run({.domains = 0, .events = events}, [] {
        const auto a = miou::async([] { sleep(seconds{1.}); });
        const auto b = miou::async([] { sleep(seconds{2.}); });
        for (const auto& result : miou::await_all({a, b}))
            result.value();
    });
    if (clock::now() - t0 >= seconds{3.})
        throw std::runtime_error{"one slept after the other"};
    std::cout << "1s and 2s took less than 3s\n";
} catch (const std::exception& error) {
    std::cerr << "sleepers_1: " << error.what() << '\n';
    return 1;
}
