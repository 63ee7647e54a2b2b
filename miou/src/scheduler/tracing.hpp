// Where the scheduler emits its events.
#pragma once

#include "miou/detail/atomic.hpp"
#include "miou/logs.hpp"
#include "miou/trace.hpp"

namespace miou::detail {

/// False only in the benchmark that shows what they cost.
#ifdef MIOU_NO_TRACE
inline constexpr bool traces_compiled_in = false;
#else
inline constexpr bool traces_compiled_in = true;
#endif

/// Whether there is a reporter. Relaxed: each domain reads it only now and then.
extern constinit atomic<bool> tracing;

/// Passes `e` to the reporter.
void report(const trace::event& e) noexcept;

/// In events, numbers stand for tasks and resources.
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
} catch (...) { // some events have text, which allocates
    logs::write(logs::level::error, "no memory for an event of the trace");
}

} // namespace miou::detail
