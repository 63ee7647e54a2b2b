// Cancellation of a subtree, over all domains.
#pragma once

namespace miou::detail {

class scheduler;
class task;

/// Cancels `child` of a task of `here` with all its descendants, and returns at once: it unwinds
/// when its domain runs it. A child that has finished, or was cancelled before, is left alone.
void request_cancel(scheduler& here, task& child) noexcept;

/// The part of it that happens on the domain of `root`: marks each task of the subtree that lives
/// here and wakes those whose park may be interrupted; children that live elsewhere are sent a
/// cancellation. No recursion: a tree may be a chain of a million tasks.
void cancel_subtree(scheduler& here, task& root) noexcept;

/// An uncancellable section of the running task ends: children that it shielded are cancelled if
/// the task is.
void end_of_shield(scheduler& here) noexcept;

} // namespace miou::detail
