// Spinning for a short while, longer each time.
#pragma once

#include "miou/config.hpp"

namespace miou {

/// The bounds of a `backoff`, as logarithms of a number of spins.
struct backoff_options {
    int lower_wait_log = 4;
    int upper_wait_log = 17;
};

/// Randomised exponential backoff: how long to spin before the next try, when another thread was
/// faster. A value: `once` returns the backoff for the try after that. While it spins, no other
/// task of the domain runs, so do not wait for one with it. OCaml: `Miou.Backoff.t`.
class MIOU_API backoff {
public:
    /// The largest bound.
    static constexpr int max_wait_log = 30;

    /// Throws `std::invalid_argument` unless 0 <= lower_wait_log <= upper_wait_log <=
    /// max_wait_log. Without options it is OCaml's `Backoff.default`.
    explicit backoff(backoff_options bounds = {});

    /// Spins a random number of times, 1 to 2^get_wait_log(). Returns the backoff for the next try,
    /// which may spin twice as long, up to the upper bound. Any thread. Does not suspend.
    [[nodiscard]] backoff once() const noexcept;

    /// The backoff as it was at first.
    [[nodiscard]] backoff reset() const noexcept {
        backoff first = *this;
        first.wait_log_ = bounds_.lower_wait_log;
        return first;
    }

    /// The logarithm of the largest number of spins of the next `once`.
    int get_wait_log() const noexcept { return wait_log_; }

private:
    backoff_options bounds_;
    int wait_log_;
};

} // namespace miou
