// Where the scheduler emits its events.
#pragma once

#include "miou/detail/atomic.hpp"
#include "miou/trace.hpp"

namespace miou::detail {

/// Whether there is a reporter. Relaxed: an event more or less at the moment that it is set.
extern constinit atomic<bool> tracing;

/// Passes `e` to the reporter.
void report(const trace::event& e) noexcept;

/// Tasks and resources stand in events by their numbers.
template <class Field>
auto told_of(const Field& field) {
    if constexpr (requires { field.number(); })
        return field.number();
    else
        return field;
}

template <class... Events, class... Fields>
[[gnu::cold, gnu::noinline]] void report_made(const Fields&... fields) noexcept {
    (report(Events{told_of(fields)...}), ...);
}

/// Reports `Events{fields...}`, one after the other, if anybody listens; else costs one test.
template <class... Events, class... Fields>
[[gnu::always_inline]] inline void record(const Fields&... fields) noexcept {
    if (tracing.load(memory_order_relaxed)) [[unlikely]]
        report_made<Events...>(fields...);
}

} // namespace miou::detail
