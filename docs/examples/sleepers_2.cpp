// How to add a system call to Miou, step 2: each domain has its own sleepers, so tasks of all
// domains may sleep. It is a port of tutorials/sleepers/t02.ml of OCaml's Miou.

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

/// Each domain has its own, so it needs no protection. In OCaml this is `Domain.DLS`.
thread_local std::map<miou::syscall_uid, std::pair<miou::syscall, seconds>> sleepers;

void sleep(seconds until) {
    const miou::syscall syscall;
    const auto fn = [&] { sleepers.emplace(syscall.uid(), std::pair{syscall, until}); };
    miou::suspend(syscall, fn);
}

std::vector<miou::signal> select(bool block, std::span<const miou::syscall_uid>) {
    if (sleepers.empty()) {
        if (block) // mail from other domains has to wait that long; step 3 avoids that
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        return {};
    }
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
    miou::run({.events = events}, [] {
        const auto a = miou::async([] { sleep(seconds{1.}); });
        const auto b = miou::async([] { sleep(seconds{2.}); });
        for (const auto& result : miou::await_all({a, b}))
            result.value();
    });
    if (clock::now() - t0 >= seconds{3.})
        throw std::runtime_error{"one slept after the other"};
    std::cout << "1s and 2s took less than 3s\n";
} catch (const std::exception& error) {
    std::cerr << "sleepers_2: " << error.what() << '\n';
    return 1;
}
