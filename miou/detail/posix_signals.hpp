// From the POSIX handler to a task on dom0.
#pragma once

namespace miou::detail {

class scheduler;

/// On dom0: spawns a task for each delivery that is pending for a function of this run.
void run_signal_handlers(scheduler& dom0) noexcept;

/// At the end of a run: the signals that still have a function of it get back what they had.
void restore_signals(scheduler& dom0) noexcept;

} // namespace miou::detail
