// The wish that a program ends.
#pragma once

#include "miou/computation.hpp"

#include <boost/assert/source_location.hpp>

#include <initializer_list>

namespace miou_unix {

/// A request to end, made once and for ever; copies are the same request. Made, asked and awaited
/// on any domain. No OCaml counterpart.
class stop_request {
public:
    /// One that only `make` makes. Any thread.
    stop_request() = default;
    /// One that the POSIX signals `numbers` make, too. With the first one that comes, all of them
    /// get back what they did before, else at the end of the run: a second one ends a program that
    /// does not come to its end. No signal is lost meanwhile. Outside of tasks it is for the next
    /// run. Throws what `miou::sys_signal` throws: then no signal has changed. Does not suspend.
    static stop_request on(std::initializer_list<int> numbers,
                           boost::source_location site = BOOST_CURRENT_LOCATION);

    /// Wakes everyone who waits. Any thread. Does not suspend.
    void make() const { made_.try_return(); }
    /// Any thread; what it says may be outdated at once.
    bool is_made() const { return !made_.is_running(); }
    /// Waits until it is made. Suspends; cancellable. On a plain thread it blocks.
    void wait() const { made_.await_exn(); }

    // For `until`.
    const miou::computation<void>& computation() const noexcept { return made_; }

private:
    miou::computation<void> made_;
};

} // namespace miou_unix
