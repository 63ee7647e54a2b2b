// Parents and children: spawning, awaiting, and the end of a task with its five rules.
#pragma once

#include "miou/detail/task.hpp"

#include <cstddef>
#include <span>

namespace miou::detail {

class scheduler;

/// Makes `child`, fresh from `new`, a child of `parent`, which lives here, and queues it on `home`.
void spawn(scheduler& here, task& parent, task& child, scheduler& home) noexcept;

/// Never throws, in any thread.
bool is_child_of_running_task(const scheduler& here, const task& child) noexcept;
/// Throws `not_a_child`.
void require_child(scheduler& here, const task& child, const char* caller);

/// After a wait for children that a cancellation has ended: throws `cancelled`, unless what was
/// waited for has come all the same.
void throw_unless_completed(const scheduler& here, bool by_cancel, bool completed);

/// Waits until `child` of the running task has finished; throws `cancelled`. Its outcome then
/// belongs to the running task.
void await_child(scheduler& here, task& child);
/// Rule 1 is satisfied for `child`, which has ended.
void reap(scheduler& here, task& child) noexcept;

/// Waits until one of `children` has finished and returns its index: a success if there is one, at
/// random among several.
std::size_t await_any(scheduler& here, std::span<task* const> children);

/// Cancels `child` of the running task, waits until its whole subtree has unwound, and makes
/// `cancelled` its outcome even if it had finished. Throws `cancelled` after that, if it is due.
void cancel_child(scheduler& here, task& child);

/// On the parent's domain: `child` has finished.
void on_child_ended(scheduler& here, task& child) noexcept;

} // namespace miou::detail
