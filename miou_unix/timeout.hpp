// Calls that must end in time.
#pragma once

#include "miou/promise.hpp"
#include "miou_unix/clock.hpp"
#include "miou_unix/timer_queue.hpp"

#include <boost/system/system_error.hpp>

#include <chrono>
#include <functional>
#include <utility>

namespace miou_unix {

/// What `with_timeout` and `with_deadline` throw: its code is `asio::error::timed_out` (ETIMEDOUT).
class timed_out : public boost::system::system_error {
public:
    explicit timed_out(const char* caller);
};

namespace detail {

/// Parks the running task until `deadline`, or until `alarm` is signaled. Throws what `sleep` does.
void sleep_until(clock::time_point deadline, timer& alarm, const char* caller);

/// Runs `fn` in a child and returns what it returns. When it has not ended at `deadline`, cancels
/// it, waits until it has unwound, and throws `timed_out`.
template <class F>
auto in_time(clock::time_point deadline, const char* caller, F&& fn, boost::source_location site) {
    timer alarm; // goes off at the deadline, or when fn has ended
    bool ended = false;
    auto work = miou::async(
        [&]() -> std::invoke_result_t<F> {
            struct at_end {
                bool& ended;
                timer& alarm;
                ~at_end() {
                    ended = true;
                    alarm.due.signal();
                }
            } const tell_parent{ended, alarm};
            return std::invoke(std::forward<F>(fn));
        },
        site);
    sleep_until(deadline, alarm, caller);
    if (!ended) {
        miou::cancel(work);
        throw timed_out{caller};
    }
    return miou::await_exn(std::move(work));
}

/// Throws `std::invalid_argument` for negative times and NaN.
clock::time_point deadline_of_timeout(double seconds);

} // namespace detail

/// Runs `fn` and returns what it returns or throws what it throws, but not for longer than `time`:
/// then cancels it with everything that it has spawned, on all domains, waits until that has
/// unwound, and throws `timed_out`. What ends while it unwinds has not ended in time. An infinite
/// time, or one beyond the clock, is none.
///
/// `fn` runs as a child of the running task, on the same domain: it may refer to the caller's
/// locals, but the promises, resources and mutexes of the caller are not its own. Nested ones end
/// at the earliest deadline. A `fn` that computes without suspending cannot be stopped.
///
/// Throws `std::invalid_argument` for a negative time or NaN, `miou::cancelled`,
/// `miou::outside_of_task` and `miou::no_select_provided`. Suspends; cancellable. O(log n) of the
/// timers of the domain. No OCaml counterpart.
template <class Rep, class Period, class F>
auto with_timeout(std::chrono::duration<Rep, Period> time, F&& fn,
                  boost::source_location site = BOOST_CURRENT_LOCATION) {
    const double seconds = std::chrono::duration<double>(time).count();
    return detail::in_time(detail::deadline_of_timeout(seconds), "miou_unix::with_timeout",
                           std::forward<F>(fn), site);
}

/// `with_timeout` with the time at which `fn` must have ended; one that has passed lets it run
/// until it suspends.
template <class F>
auto with_deadline(clock::time_point deadline, F&& fn,
                   boost::source_location site = BOOST_CURRENT_LOCATION) {
    return detail::in_time(deadline, "miou_unix::with_deadline", std::forward<F>(fn), site);
}

} // namespace miou_unix
