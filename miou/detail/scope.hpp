// A piece of a task that can be cancelled by itself.
#pragma once

#include <cstdint>

namespace miou::detail {

class scheduler;
class task;

/// One limit, on the stack of its task; the innermost one is the head of the task's list. The
/// domain of the task alone touches it.
///
/// The cancellation of a task and that of a scope are the same thing at a suspension point. A
/// shield defers it only if the shield was raised inside: so each scope knows what there was when
/// it was opened.
struct scope {
    scope() noexcept = default;
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;

    scope* outer = nullptr;
    task* of = nullptr;        // null before it is opened
    unsigned exceptions = 0;   // in flight when it was opened
    std::uint16_t shields = 0; // raised when it was opened
    bool cancelled = false;
};

/// Opens `s` in the running task. Throws `outside_of_task`, and `std::invalid_argument` if it was
/// opened before, naming `caller`.
void open(scope& s, const char* caller);
/// In the task that has opened it; of nested ones the innermost first.
void close(scope& s) noexcept;
/// On the domain of its task, while it is open: every suspension inside of it throws from now on.
void cancel(scope& s) noexcept;
/// Whether a `cancelled` that has left `s` was its own: it was cancelled, and nothing around it.
bool is_cause(const scope& s) noexcept;

/// Whether a cancellation of the running task, or of a scope that it is in, is due: its suspensions
/// throw. For a task that is interrupted.
bool is_due(const scheduler& here) noexcept;
/// Wakes `t`, which lives here and does not run, if it is parked and a cancellation is due there.
void interrupt(scheduler& here, task& t) noexcept;
/// Whether a shield was raised in `t`, which does not run, when it was suspended.
bool is_shielded(const task& t) noexcept;

} // namespace miou::detail
