// POSIX signals as tasks.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/identity.hpp"
#include "miou/spawn_site.hpp"
#include "miou/unique_function.hpp"

#include <concepts>
#include <csignal>
#include <memory>
#include <type_traits>
#include <utility>

namespace miou {

/// What the process does on a signal. OCaml: `Sys.signal_behavior`.
class MIOU_API signal_behavior {
public:
    using handler = unique_function<void(int)>;

    /// `signal_default`.
    bool is_default() const noexcept;
    /// `signal_ignore`.
    bool is_ignore() const noexcept;
    /// A function of `signal_handle`.
    bool is_handle() const noexcept { return fn_ != nullptr; }

    // For sys_signal.
    struct function {
        handler call;
        spawn_site site; // of the tasks that call it
    };
    explicit signal_behavior(const struct sigaction& action) noexcept
        : action_{action} {}
    explicit signal_behavior(std::shared_ptr<function> fn, detail::identity run = 0) noexcept
        : action_{}
        , fn_{std::move(fn)}
        , run_{run} {}
    const struct sigaction& action() const noexcept { return action_; }
    const std::shared_ptr<function>& fn() const noexcept { return fn_; }
    detail::identity run() const noexcept { return run_; }

private:
    struct sigaction action_; // unless there is a function
    std::shared_ptr<function> fn_;
    detail::identity run_ = 0; // the run that had the function when it was returned; 0: none
};

namespace detail {
template <class F>
concept signal_function = requires(std::decay_t<F>& fn, int number) {
    { fn(number) } -> std::same_as<void>;
};
} // namespace detail

/// The system's default action. OCaml: `Signal_default`.
MIOU_API signal_behavior signal_default() noexcept;
/// Nothing happens. OCaml: `Signal_ignore`.
MIOU_API signal_behavior signal_ignore() noexcept;
/// `fn(signal number)` runs as a task on dom0, once for each delivery. Messages name the task by
/// `site`. It may use every function of miou. An exception that leaves it is logged. Nobody has to
/// await the task; it is cancelled when the root task finishes. OCaml: `Signal_handle fn`.
template <class F>
signal_behavior signal_handle(F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) {
    static_assert(detail::signal_function<F>,
                  "miou::signal_handle: the function must take an int, the number of the signal, "
                  "and return void");
    return signal_behavior{std::make_shared<signal_behavior::function>(
        signal_behavior::function{std::forward<F>(fn), site})};
}

/// Sets what the process does on signal `number`. Returns what it did before, which the caller can
/// pass to `sys_signal` again. Any thread. Does not suspend.
///
/// A function that is set in a task belongs to that task's run. It handles the signal until another
/// behaviour is set or the run ends. The end of the run restores what was there before: the
/// function of another run that still lasts, or else the system's action. A task that passes
/// another run's function withdraws its own run from the signal. Another behaviour that a task sets
/// (`signal_ignore`, for example) outlasts the run, unless another run has a function for the
/// signal.
///
/// A function that is set outside of tasks is kept for the next run, which begins with it. Until
/// then the process does what it did. Setting another behaviour outside of tasks replaces it.
///
/// Each delivery is handled once, by the function that had the signal or by the next function of
/// its run. In the child of a `fork` only the runs of the thread that has forked go on, and their
/// functions with them. Every other signal does at once what it did before.
///
/// Throws `std::invalid_argument` for a number that is no signal or cannot be handled,
/// `outside_of_task` when a function of a run is passed outside of tasks, and `std::system_error`
/// when no thread could be started to relay signals. Nothing has changed then. OCaml:
/// `Miou.sys_signal`.
MIOU_API signal_behavior sys_signal(int number, const signal_behavior& behavior);

} // namespace miou
