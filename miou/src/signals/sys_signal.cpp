#include "miou/sys_signal.hpp"

#include "miou/src/scheduler/scheduler.hpp"
#include "miou/src/signals/posix_signals.hpp"

namespace miou {

bool signal_behavior::is_default() const noexcept {
    return !fn_ && detail::does(action_, SIG_DFL);
}
bool signal_behavior::is_ignore() const noexcept {
    return !fn_ && detail::does(action_, SIG_IGN);
}

signal_behavior signal_default() noexcept {
    return signal_behavior{detail::action_of(SIG_DFL)};
}
signal_behavior signal_ignore() noexcept {
    return signal_behavior{detail::action_of(SIG_IGN)};
}

signal_behavior sys_signal(int number, const signal_behavior& behavior) {
    if (const detail::scheduler* const here = detail::scheduler::current_or_null())
        return detail::set_signal(number, behavior, *here->run_of().domains[0]);
    if (behavior.run() != 0)
        throw outside_of_task{"miou::sys_signal: a function of a run was given back outside of a "
                              "task"};
    return detail::set_signal_outside_of_tasks(number, behavior);
}

} // namespace miou
