// A request that the program ends.
#pragma once

#include "miou/computation.hpp"
#include "miou/config.hpp"

#include <boost/assert/source_location.hpp>

#include <initializer_list>

namespace miou_unix {

/// A request to end, which is made once and for ever. Copies are the same request. Any domain may
/// make, test and await it. No OCaml counterpart.
class MIOU_API stop_request {
public:
    /// A request that only `make` makes. Any thread.
    stop_request() = default;
    /// A request that the POSIX signals `numbers` make, too. The first signal that comes, or else
    /// the end of the run, restores what all of them did before. So a second signal ends a program
    /// that hangs. No signal is lost meanwhile. Outside of tasks, the signals are set for the next
    /// run. Throws what `miou::sys_signal` throws; then no signal has changed. Does not suspend.
    static stop_request on(std::initializer_list<int> numbers,
                           boost::source_location site = BOOST_CURRENT_LOCATION);

    /// Makes the request, and wakes everyone who waits for it. Any thread. Does not suspend.
    void make() const { made_.try_return(); }
    /// Any thread. The answer may be outdated at once.
    bool is_made() const { return !made_.is_running(); }
    /// Waits until it is made. Suspends; cancellable. On a plain thread it blocks.
    void wait() const { made_.await_exn(); }

    // For `until`.
    const miou::computation<void>& computation() const noexcept { return made_; }

private:
    miou::computation<void> made_;
};

} // namespace miou_unix
