// How a system plugs into the scheduler: the three functions of a domain's system, and signals for
// suspension points.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/suspension.hpp"
#include "miou/uid.hpp"
#include "miou/unique_function.hpp"

#include <memory>
#include <span>
#include <vector>

namespace miou {

class syscall;

/// Resumes a suspension point when `select` returns it. OCaml: `Miou.signal`.
class MIOU_API signal {
public:
    /// Throws `std::invalid_argument` on another domain than that of the task that made the
    /// syscall. Making a signal resumes nobody: returning it from `select` does.
    explicit signal(const syscall& point);

    /// For the scheduler.
    detail::suspension& point() const noexcept { return *point_; }

private:
    std::shared_ptr<detail::suspension> point_;
};

/// The system of one domain. The `.events` of `run` makes it on the domain's own thread. All three
/// functions are optional. Without an `interrupt`, `select` must return by itself from time to
/// time. Otherwise the domain does not see what other threads send to it. OCaml: `Miou.events`.
struct events {
    /// Polls the system, and returns the suspension points to resume. `block` says that the domain
    /// has nothing else to do: wait until something happens or `interrupt` is called. `cancelled`
    /// has the points whose tasks were cancelled since the last call that did not throw: forget
    /// them. Runs on the domain's thread, outside of any task. An exception ends the run: its tasks
    /// are cancelled. `select` is still called while they unwind, unless it throws again and again.
    unique_function<std::vector<signal>(bool block, std::span<const syscall_uid> cancelled)> select;
    /// Makes a `select` that blocks return, or the next one if none does. Any thread. Never called
    /// from a POSIX signal handler. An exception ends the run, as one of `select` does.
    unique_function<void()> interrupt;
    /// Runs once on the domain's thread, after its last task.
    unique_function<void()> finaliser;
};

} // namespace miou
