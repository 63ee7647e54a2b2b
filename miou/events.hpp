// How a system is injected into the scheduler: suspension points and the three functions of a
// domain's system.
#pragma once

#include "miou/detail/suspension.hpp"
#include "miou/uid.hpp"
#include "miou/unique_function.hpp"

#include <memory>
#include <span>
#include <vector>

namespace miou {

class syscall;

/// Says that a suspension point is to be resumed; returned by `select`. OCaml: `Miou.signal`.
class signal {
public:
    /// May be made only on the domain of the task that made the syscall: `std::invalid_argument`
    /// elsewhere. Making a signal resumes nobody: returning it from `select` does.
    explicit signal(const syscall& point);

    /// For the scheduler, which gives the signal's point free to run.
    detail::suspension& point() const noexcept { return *point_; }

private:
    std::shared_ptr<detail::suspension> point_;
};

/// One domain's view of the system, made by `run`'s `.events` on the domain's own thread. All three
/// are optional; without an `interrupt`, `select` must return by itself from time to time, or what
/// other threads send to the domain is not seen.
/// OCaml: `Miou.events`.
struct events {
    /// Polls the system and returns the suspension points to resume. `block` says that the
    /// domain has nothing else to do: wait until something happens or `interrupt` is called.
    /// `cancelled` are the points whose task was cancelled since the last call, or the last that
    /// did not throw: forget them.
    /// Runs on the domain's thread, outside of any task. An exception ends the run: its tasks are
    /// cancelled, and `select` goes on to be called while they unwind, unless it always throws.
    unique_function<std::vector<signal>(bool block, std::span<const syscall_uid> cancelled)> select;
    /// Makes a `select` that blocks return, or the next one if none does. Any thread. Never called
    /// from a POSIX signal handler. An exception ends the run, as one of `select` does.
    unique_function<void()> interrupt;
    /// Runs once on the domain's thread, after its last task.
    unique_function<void()> finaliser;
};

} // namespace miou
