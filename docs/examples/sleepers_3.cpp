// How to add a system call to Miou, step 3: other domains can interrupt `select`, and so can cancel
// a task that sleeps. It is a port of tutorials/sleepers/t03.ml of OCaml's Miou.

#include "miou/miou.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <iostream>
#include <map>
#include <stdexcept>
#include <system_error>
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

void consume_interrupt(int ic) {
    std::array<char, 0x1000> buf;
    [[maybe_unused]] const auto length = ::read(ic, buf.data(), buf.size());
}

void update(seconds n) {
    for (auto& [uid, sleeper] : sleepers)
        sleeper.second = std::max(seconds::zero(), sleeper.second - n);
}

std::vector<miou::signal> minimums() {
    std::vector<miou::signal> cs;
    std::erase_if(sleepers, [&](const auto& each) {
        const auto& [syscall, until] = each.second;
        if (until > seconds::zero())
            return false;
        cs.emplace_back(syscall);
        return true;
    });
    return cs;
}

/// How long `poll` may wait, in milliseconds; -1 is without a limit. It must not wait while tasks
/// are ready.
int patience(bool block) {
    if (!block)
        return 0;
    if (sleepers.empty())
        return -1;
    const auto min =
        std::ranges::min_element(sleepers, {}, [](const auto& each) { return each.second.second; });
    return static_cast<int>(std::ceil(min->second.second.count() * 1000.));
}

std::vector<miou::signal> select(int interrupt, bool block,
                                 std::span<const miou::syscall_uid> cancelled) {
    for (const miou::syscall_uid uid : cancelled)
        sleepers.erase(uid);
    ::pollfd interrupted{.fd = interrupt, .events = POLLIN, .revents = 0};
    const auto t0 = clock::now();
    if (::poll(&interrupted, 1, patience(block)) > 0)
        consume_interrupt(interrupt);
    update(clock::now() - t0);
    return minimums();
}

miou::events events(miou::domain_uid) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        throw std::system_error{errno, std::generic_category(), "pipe"};
    const auto [ic, oc] = ends;
    return {
        .select = [ic = ic](bool block, auto cancelled) { return select(ic, block, cancelled); },
        .interrupt =
            [oc = oc] {
                while (::write(oc, "", 1) == 0) {
                }
            },
        .finaliser =
            [ic = ic, oc = oc] {
                ::close(ic);
                ::close(oc);
            }};
}

template <class F>
void expect_less_than(seconds limit, F fn) {
    const auto t0 = clock::now();
    miou::run({.events = events}, fn);
    if (clock::now() - t0 >= limit)
        throw std::runtime_error{"that took too long"};
}

} // namespace

int main() try {
    expect_less_than(seconds{3.}, [] {
        const auto a = miou::async([] { sleep(seconds{1.}); });
        const auto b = miou::async([] { sleep(seconds{2.}); });
        for (const auto& result : miou::await_all({a, b}))
            result.value();
    });
    std::cout << "1s and 2s took less than 3s" << std::endl;

    expect_less_than(seconds{3.}, [] {
        for (const auto& result :
             miou::parallel([](seconds until) { sleep(until); }, {seconds{1.}, seconds{2.}}))
            result.value();
    });
    std::cout << "in parallel, too" << std::endl;

    expect_less_than(seconds{10.}, [] {
        const auto a = miou::call([] { sleep(seconds{10.}); });
        sleep(seconds{1.});
        miou::cancel(a);
        try {
            miou::await_exn(a);
            throw std::runtime_error{"it was not cancelled"};
        } catch (const miou::cancelled&) {
        }
    });
    std::cout << "10s were cancelled after 1s" << std::endl;
} catch (const std::exception& error) {
    std::cerr << "sleepers_3: " << error.what() << '\n';
    return 1;
}
