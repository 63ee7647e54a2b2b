// A part of a task that can be cancelled by itself.
#pragma once

#include "miou/config.hpp"

#include <cstdint>

namespace miou::detail {

class scheduler;
class task;

/// A cancel scope, on the stack of its task. The innermost one is the head of the task's list. Only
/// the domain of the task touches it.
///
/// At a suspension point, the cancellation of a scope is the same thing as that of the task. A
/// shield defers it only if the shield was raised inside of the scope. So each scope remembers the
/// shields and exceptions that there were when it was opened.
struct scope {
    scope() noexcept = default;
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;

    scope* outer = nullptr;
    task* of = nullptr;        // null before it is opened; stays when it is closed
    unsigned exceptions = 0;   // in flight when it was opened
    std::uint16_t shields = 0; // raised when it was opened
    bool is_open = false;
    bool cancelled = false;
};

/// Opens `s` in the running task. Throws `outside_of_task`, and `std::invalid_argument` if it was
/// opened before, naming `caller`.
MIOU_API void open(scope& s, const char* caller);
/// Closes `s`, in the task that has opened it. The innermost scope is closed first.
MIOU_API void close(scope& s) noexcept;
/// Makes every suspension inside of `s` throw from now on. On the domain of its task, while it is
/// open.
MIOU_API void cancel(scope& s) noexcept;
/// Whether a `cancelled` that leaves `s` is its own: `s` was cancelled, and no cancellation around
/// it is due.
MIOU_API bool is_cause(const scope& s) noexcept;

/// Whether a cancellation of the running task, or of a scope around it, is due: then its
/// suspensions throw.
bool is_due(const scheduler& here) noexcept;
/// Wakes `t`, which lives here, if it is parked and a cancellation is due where it is parked.
void interrupt(scheduler& here, task& t) noexcept;
/// Whether `t`, which does not run, was suspended under a shield.
bool is_shielded(const task& t) noexcept;

} // namespace miou::detail
