// Every exception that miou throws.
#pragma once

#include "miou/config.hpp"

#include <exception>
#include <new>
#include <stdexcept>

namespace miou {

/// Thrown by the suspension points of a cancelled task. Also the outcome that `await` returns for a
/// cancelled task. Level-triggered: a task that swallows it gets it again at its next suspension.
/// OCaml: `Miou.Cancelled`.
class MIOU_API cancelled : public std::exception {
public:
    const char* what() const noexcept override { return "miou: the task was cancelled"; }
};

/// Base of the errors of a program that breaks the rules of miou. `what()` names the tasks involved
/// and the places that spawned them.
class MIOU_API rule_violation : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

/// A task finished normally while a child was neither awaited nor cancelled. Found when the task
/// finishes. Cancels every task, and `run` throws it. OCaml: `Miou.Still_has_children`.
class MIOU_API still_has_children : public rule_violation {
public:
    using rule_violation::rule_violation;
};

/// A task tried to await or cancel a task that it did not spawn. OCaml: `Miou.Not_a_child`.
class MIOU_API not_a_child : public rule_violation {
public:
    using rule_violation::rule_violation;
};

/// A task used a resource that it does not own. OCaml: `Miou.Not_owner`.
class MIOU_API not_owner : public rule_violation {
public:
    using rule_violation::rule_violation;
};

/// A task finished normally and still owned a resource. Found when the task finishes. Cancels every
/// task, and `run` throws it. OCaml: `Miou.Resource_leaked`.
class MIOU_API resource_leaked : public rule_violation {
public:
    using rule_violation::rule_violation;
};

/// `call` or `parallel` found no domain to use: neither the caller's own nor dom0 counts. OCaml:
/// `Miou.No_domain_available`.
class MIOU_API no_domain_available : public rule_violation {
public:
    using rule_violation::rule_violation;
};

/// `suspend` in a `run` that was given no `.events`: nothing could ever resume the task.
/// OCaml: `Miou.No_select_provided`.
class MIOU_API no_select_provided : public rule_violation {
public:
    using rule_violation::rule_violation;
};

/// A function that needs a running task was called from a plain thread, a hook or a `select`.
/// OCaml: `Effect.Unhandled`.
class MIOU_API outside_of_task : public rule_violation {
public:
    using rule_violation::rule_violation;
};

/// A lazy value was forced from within its own computation. OCaml: `Miou.Lazy.Undefined`.
class MIOU_API undefined : public rule_violation {
public:
    using rule_violation::rule_violation;
};

/// There was no element to take from a `queue`, `sequence` or `pqueue`.
/// OCaml: `Miou.Queue.Empty`, `Miou.Sequence.Empty`, `Miou.Pqueue.Empty`.
class MIOU_API empty : public std::exception {
public:
    const char* what() const noexcept override { return "miou: there is no element"; }
};

/// There was no memory, or no guard page, for the stack of a task. This is the outcome of the task
/// that could not start. Every other task is unharmed.
class MIOU_API no_stack : public std::bad_alloc {
public:
    /// `what` must live for ever.
    explicit no_stack(
        int error,
        const char* what =
            "miou: no memory for the stack of a task (see ulimit -v and vm.max_map_count)") noexcept
        : error_{error}
        , what_{what} {}
    /// Says which limit to raise.
    const char* what() const noexcept override { return what_; }
    /// The `errno` of the system call that failed.
    int error() const noexcept { return error_; }

private:
    int error_;
    const char* what_;
};

/// The `finally` of a `protect` threw; `.nested()` is its exception. OCaml: `Fun.Finally_raised`.
class MIOU_API finally_raised : public std::exception {
public:
    explicit finally_raised(std::exception_ptr cause) noexcept
        : cause_{std::move(cause)} {}
    const char* what() const noexcept override { return "miou: protect: finally threw"; }
    const std::exception_ptr& nested() const noexcept { return cause_; }

private:
    std::exception_ptr cause_;
};

/// The `on_cancellation` of a `protect` threw; `.nested()` is its exception. OCaml:
/// `Miou.On_cancellation_raised`.
class MIOU_API on_cancellation_raised : public std::exception {
public:
    explicit on_cancellation_raised(std::exception_ptr cause) noexcept
        : cause_{std::move(cause)} {}
    const char* what() const noexcept override { return "miou: protect: on_cancellation threw"; }
    const std::exception_ptr& nested() const noexcept { return cause_; }

private:
    std::exception_ptr cause_;
};

} // namespace miou
