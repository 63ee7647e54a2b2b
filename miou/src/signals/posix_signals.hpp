// From the POSIX handler to a task on dom0.
#pragma once

namespace miou::detail {

class scheduler;

/// At the start of a run, on dom0: it gets the functions that were kept for it. Throws
/// `std::system_error` when no thread can be started to relay signals; they are kept then.
void adopt_signals(scheduler& dom0);

/// On dom0: spawns a task for each delivery that is due to a function of this run.
void run_signal_handlers(scheduler& dom0) noexcept;

/// At the end of a run: the signals that still have a function of it get back what they had.
void restore_signals(scheduler& dom0) noexcept;

} // namespace miou::detail
