// POSIX signals as tasks.
#pragma once

#include "miou/unique_function.hpp"

#include <csignal>
#include <memory>
#include <utility>

namespace miou {

/// What the process does on a signal. OCaml: `Sys.signal_behavior`.
class signal_behavior {
public:
    using handler = unique_function<void(int)>;

    /// `signal_default`.
    bool is_default() const noexcept;
    /// `signal_ignore`.
    bool is_ignore() const noexcept;
    /// A function of `signal_handle`.
    bool is_handle() const noexcept { return fn_ != nullptr; }

    // For sys_signal.
    explicit signal_behavior(const struct sigaction& action) noexcept
        : action_{action} {}
    explicit signal_behavior(std::shared_ptr<handler> fn) noexcept
        : action_{}
        , fn_{std::move(fn)} {}
    const struct sigaction& action() const noexcept { return action_; }
    const std::shared_ptr<handler>& fn() const noexcept { return fn_; }

private:
    struct sigaction action_; // unless there is a function
    std::shared_ptr<handler> fn_;
};

/// The system's default action. OCaml: `Signal_default`.
signal_behavior signal_default() noexcept;
/// Nothing happens. OCaml: `Signal_ignore`.
signal_behavior signal_ignore() noexcept;
/// `fn(signal number)` runs as a task on dom0, once for each delivery. It may use every function of
/// miou. What it throws is logged. It does not have to be awaited; when the root task finishes, it
/// is cancelled. OCaml: `Signal_handle fn`.
template <class F>
signal_behavior signal_handle(F&& fn) {
    return signal_behavior{std::make_shared<signal_behavior::handler>(std::forward<F>(fn))};
}

/// Sets what the process does on signal `number` and returns what it did before, which can be
/// given back. Any task, on any domain; outside of tasks only for behaviours without a function.
/// When the run ends, the signals that still have a function of it get back what they had before.
///
/// Throws `std::invalid_argument` for a number that is no signal or cannot be handled,
/// `outside_of_task`, and `std::system_error` when no thread could be started to relay signals.
/// Does not suspend. OCaml: `Miou.sys_signal`.
signal_behavior sys_signal(int number, signal_behavior behavior);

} // namespace miou
