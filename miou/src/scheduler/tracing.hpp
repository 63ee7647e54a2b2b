// Where the scheduler emits its events.
#pragma once

#include "miou/detail/atomic.hpp"
#include "miou/logs.hpp"
#include "miou/trace.hpp"

namespace miou::detail {

/// Only the benchmark that shows what they cost goes without.
#ifdef MIOU_NO_TRACE
inline constexpr bool traces_compiled_in = false;
#else
inline constexpr bool traces_compiled_in = true;
#endif

/// Whether there is a reporter. Relaxed; each domain reads it now and then.
extern constinit atomic<bool> tracing;

/// Passes `e` to the reporter.
void report(const trace::event& e) noexcept;

/// Tasks and resources stand in events by their numbers.
template <class Field>
auto field_value(const Field& field) {
    if constexpr (requires { field.number(); })
        return field.number();
    else
        return field;
}

template <class... Events, class... Fields>
[[gnu::cold, gnu::noinline]] void report_made(const Fields&... fields) noexcept try {
    (report(Events{field_value(fields)...}), ...);
} catch (...) { // some have text
    logs::write(logs::level::error, "no memory for an event of the trace");
}

} // namespace miou::detail
