#include "miou/backoff.hpp"

#include "miou/detail/atomic.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <stdexcept>
#include <thread>

namespace miou {
namespace {

/// From 1 to 2^`log`.
std::uint32_t draw(int log) noexcept {
    // With one processor, the other thread makes no progress while this one spins.
    static const bool alone = std::thread::hardware_concurrency() == 1;
    // Not from the `g` of a run, because a program does not see how long threads spin.
    thread_local std::minstd_rand random{
        static_cast<std::uint32_t>(std::hash<std::thread::id>{}(std::this_thread::get_id()))};
    const auto mask = (std::uint32_t{1} << log) - 1;
    return 1 + (alone ? 0 : static_cast<std::uint32_t>(random()) & mask);
}

} // namespace

backoff::backoff(backoff_options bounds)
    : bounds_{bounds}
    , wait_log_{bounds.lower_wait_log} {
    if (bounds.lower_wait_log < 0 || bounds.lower_wait_log > bounds.upper_wait_log ||
        bounds.upper_wait_log > max_wait_log)
        throw std::invalid_argument{
            "miou::backoff: not 0 <= lower_wait_log <= upper_wait_log <= max_wait_log"};
}

backoff backoff::once() const noexcept {
    for (std::uint32_t left = draw(wait_log_); left > 0; --left)
        detail::spin_pause();
    backoff next = *this;
    next.wait_log_ = std::min(wait_log_ + 1, bounds_.upper_wait_log);
    return next;
}

} // namespace miou
