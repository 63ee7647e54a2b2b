// The cost of a time limit that does not expire. The floor is what any limit must do: arm a timer
// and disarm it.
#include "measure.hpp"

#include "miou_unix/detail/reactor.hpp"
#include "miou_unix/run.hpp"
#include "miou_unix/timeout.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr int laps = 200'000;
constexpr int repetitions = 21;

struct silent final : miou_unix::detail::timer {
    void go_off() noexcept override {}
};

template <class F>
double ns_of(F lap) {
    const bench::stopwatch watch;
    for (int i = 0; i < laps; ++i)
        lap();
    return watch.ns() / laps;
}

} // namespace

int main() {
    miou_unix::run({.domains = 0}, [] {
        auto& here = miou_unix::detail::reactor::current("limit_bench");
        std::vector<double> floor, limit, ratio;
        int ended = 0;
        for (int i = 0; i < repetitions; ++i) {
            floor.push_back(ns_of([&] {
                silent timer;
                here.add(timer, miou_unix::deadline_in(3600.0));
                here.remove(timer);
            }));
            limit.push_back(
                ns_of([&] { miou_unix::with_timeout(std::chrono::hours{1}, [&] { ++ended; }); }));
            ratio.push_back(limit.back() / floor.back());
        }
        if (ended != laps * repetitions)
            std::abort();
        std::printf("arm and disarm %.1f ns, with_timeout %.1f ns, ratio %.2f\n",
                    bench::median(floor), bench::median(limit), bench::median(ratio));
    });
}
