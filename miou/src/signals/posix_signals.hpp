// From the POSIX handler to a task on dom0.
#pragma once

#include "miou/sys_signal.hpp"

namespace miou::detail {

class scheduler;

/// At the start of a run, on dom0: gives it the functions that were kept for the next run. Throws
/// `std::system_error` when no thread can be started to relay signals; they stay kept then.
void adopt_signals(scheduler& dom0);

/// On dom0: spawns a task for each delivery that this run owes.
void run_signal_handlers(scheduler& dom0) noexcept;

/// At the end of a run: removes its claims, and restores what was there before them.
void restore_signals(scheduler& dom0) noexcept;

/// `sys_signal`, in a task of the run of `dom0`.
signal_behavior set_signal(int number, const signal_behavior& wanted, scheduler& dom0);
/// `sys_signal`, outside of tasks.
signal_behavior set_signal_outside_of_tasks(int number, const signal_behavior& wanted);

inline struct sigaction action_of(void (*what)(int), int flags = 0) noexcept {
    struct sigaction action = {};
    action.sa_handler = what;
    action.sa_flags = flags;
    ::sigemptyset(&action.sa_mask);
    return action;
}

inline bool does(const struct sigaction& action, void (*what)(int)) noexcept {
    return !(action.sa_flags & SA_SIGINFO) && action.sa_handler == what;
}

} // namespace miou::detail
