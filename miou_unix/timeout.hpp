// Calls that must end in time.
#pragma once

#include "miou/cancel_scope.hpp"
#include "miou/config.hpp"
#include "miou_unix/clock.hpp"
#include "miou_unix/detail/timer_queue.hpp"

#include <boost/assert/source_location.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace miou_unix {

/// Thrown by `with_timeout` and `with_deadline`. Its code is `asio::error::timed_out` (ETIMEDOUT).
/// Its text names the limit: `miou_unix::with_timeout of 2 s at server.cpp:81`.
class MIOU_API timed_out : public boost::system::system_error {
public:
    explicit timed_out(const std::string& limit);
};

namespace detail {

class reactor;

/// A cancel scope with a timer.
class MIOU_API time_limit final : timer {
public:
    /// Throws `miou::outside_of_task`, `miou::no_select_provided` and `std::bad_alloc`.
    time_limit(clock::time_point deadline, const char* caller);
    ~time_limit();

    /// Calls `fn`. Returns its value, or an empty optional (`false` for void) if the time was over.
    template <class F>
    auto run(F&& fn) {
        return scope_.run(std::forward<F>(fn));
    }

private:
    void go_off() noexcept override { scope_.cancel(); }

    reactor& home_;
    miou::local_cancel_scope scope_;
};

/// The parts of the name of a limit.
struct limit_name {
    const char* caller;
    std::optional<double> seconds; // of a time-out
    boost::source_location site;
};
[[noreturn]] MIOU_API void throw_timed_out(const limit_name& limit);

template <class F>
auto in_time(clock::time_point deadline, const limit_name& name, F&& fn) {
    time_limit limit{deadline, name.caller};
    auto returned = limit.run(std::forward<F>(fn));
    if (!returned)
        throw_timed_out(name);
    if constexpr (!std::is_void_v<std::invoke_result_t<F>>)
        return *std::move(returned);
}

/// Throws `std::invalid_argument` for negative times and NaN.
MIOU_API clock::time_point deadline_of_timeout(double seconds);

} // namespace detail

/// Calls `fn` in the running task. Returns what it returns, or throws what it throws. After `time`
/// each suspension of the task inside of `fn` throws `miou::cancelled`. When that has ended `fn`,
/// throws `timed_out`. An infinite time, or one beyond the clock, is no limit.
///
/// Nothing is lost: a call inside of `fn` that has completed returns its value, and a value of `fn`
/// is returned, however late. The caller keeps its promises, mutexes and resources, so `fn` may be
/// `condition.wait(lock)`, or `await` of the caller's child. Children that `fn` has spawned are
/// cancelled and awaited, because the exception destroys their handles. Of nested limits, the
/// earliest counts. A limit inside of an uncancellable section, or of a destructor, limits that,
/// too. A `fn` that computes without suspending cannot be stopped.
///
/// Throws `std::invalid_argument` for a negative time or NaN, `miou::outside_of_task` and
/// `miou::no_select_provided`. Suspends only as `fn` does. O(log n) of the timers of the domain.
/// Allocates nothing in steady state. No OCaml counterpart.
template <class Rep, class Period, class F>
auto with_timeout(std::chrono::duration<Rep, Period> time, F&& fn,
                  boost::source_location site = BOOST_CURRENT_LOCATION) {
    const double seconds = std::chrono::duration<double>(time).count();
    return detail::in_time(detail::deadline_of_timeout(seconds),
                           {"miou_unix::with_timeout", seconds, site}, std::forward<F>(fn));
}

/// `with_timeout` with the time at which `fn` must have ended. If that has passed, `fn` runs until
/// it has to wait.
template <class F>
auto with_deadline(clock::time_point deadline, F&& fn,
                   boost::source_location site = BOOST_CURRENT_LOCATION) {
    return detail::in_time(deadline, {"miou_unix::with_deadline", {}, site}, std::forward<F>(fn));
}

} // namespace miou_unix
