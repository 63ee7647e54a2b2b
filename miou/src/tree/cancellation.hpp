// Cancellation of a subtree, over all domains.
#pragma once

namespace miou::detail {

class scheduler;
class task;

/// Cancels `child`, whose parent lives here, with all its descendants. Returns at once: a cancelled
/// task unwinds when its domain runs it. Does nothing if `child` has finished or was cancelled
/// before.
void request_cancel(scheduler& here, task& child) noexcept;

/// The same on the domain of `root`. Marks each task of the subtree that lives here, and wakes
/// those whose park may be interrupted. Mails a cancellation to children that live elsewhere. Not
/// recursive: a tree may be a chain of a million tasks.
void cancel_subtree(scheduler& here, task& root) noexcept;

/// Called at the end of the running task's uncancellable section. If the task is cancelled, cancels
/// the children that the section has shielded.
void end_of_shield(scheduler& here) noexcept;

} // namespace miou::detail
