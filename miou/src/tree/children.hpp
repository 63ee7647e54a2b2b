// Parents and children: spawning, awaiting, and the end of a task with its five rules.
#pragma once

#include "miou/detail/task.hpp"
#include "miou/src/scheduler/scheduler.hpp"

#include <cstddef>
#include <span>

namespace miou::detail {

/// Makes the new task `child` a child of `parent`, which lives here, and queues it on `home`.
void spawn(scheduler& here, task& parent, task& child, scheduler& home) noexcept;

[[noreturn]] void refuse_not_a_child(scheduler& here, const task& child, const char* caller);

/// `child` may be of another task, whether that still lives or not.
inline bool is_child_of_running_task(const scheduler& here, const task& child) noexcept {
    return child.parent_identity == here.identity_of(here.running_task());
}
/// Throws `not_a_child`.
inline void require_child(scheduler& here, const task& child, const char* caller) {
    if (!is_child_of_running_task(here, child)) [[unlikely]]
        refuse_not_a_child(here, child, caller);
}

/// To be called after a wait for children. Throws `cancelled` if a cancellation has ended the wait,
/// unless the children have `completed` all the same.
void throw_unless_completed(const scheduler& here, bool by_cancel, bool completed);

/// Waits until `child` of the running task has finished, and reaps it. Throws `cancelled`.
void await_child(scheduler& here, task& child);
/// Takes `child`, which has ended, out of the tree: it satisfies rule 1 now.
void reap(scheduler& here, task& child) noexcept;

/// Waits until one of `children` has finished, and returns its index. Prefers a success. Chooses at
/// random among several.
std::size_t await_any(scheduler& here, std::span<task* const> children);

/// Cancels `child` of the running task, and waits until its whole subtree has unwound. The outcome
/// of `child` is `cancelled` then, even if it had finished. Throws `cancelled` last, if the running
/// task's own cancellation is due.
void cancel_child(scheduler& here, task& child);

/// Called on the parent's domain when `child` has finished.
void on_child_ended(scheduler& here, task& child) noexcept;

} // namespace miou::detail
