// Where the scheduler emits its events.
#pragma once

#include "miou/detail/atomic.hpp"
#include "miou/trace.hpp"

namespace miou::detail {

/// Whether there is a reporter. Relaxed: an event more or less at the moment that it is set.
extern constinit atomic<bool> tracing;

/// Passes `e` to the reporter.
void report(const trace::event& e) noexcept;

template <class Event, class... Fields>
[[gnu::cold, gnu::noinline]] void report_made(const Fields&... fields) noexcept {
    report(Event{fields...});
}

/// Reports an `Event{fields...}`, if anybody listens.
template <class Event, class... Fields>
[[gnu::always_inline]] inline void record(const Fields&... fields) noexcept {
    if (tracing.load(memory_order_relaxed)) [[unlikely]]
        report_made<Event>(fields...);
}

} // namespace miou::detail
