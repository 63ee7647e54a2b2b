// Suspension points of the system.
#pragma once

#include "miou/detail/suspension.hpp"
#include "miou/events.hpp"
#include "miou/unique_function.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace miou {

/// A suspension point of the running task, to be resumed by its domain's `select`. A handle; copies
/// name the same point. OCaml: `Miou.syscall`.
class syscall {
public:
    /// Of the running task. Throws `outside_of_task`. `name` is for traces.
    explicit syscall(std::string_view name = {});

    /// Any thread. OCaml: `Miou.uid`.
    syscall_uid uid() const noexcept { return syscall_uid{point_->uid}; }

    // For `suspend` and `signal`.
    const std::shared_ptr<detail::suspension>& point() const noexcept { return point_; }

private:
    std::shared_ptr<detail::suspension> point_;
};

/// Parks the running task until its domain's `select` returns a `signal` of `point`. `fn` runs just
/// before, when nothing can cancel the suspension any more without `select` being told: tell the
/// system there what to wait for. A signal that is returned before the suspension is not lost.
///
/// Throws `std::invalid_argument` if `point` is another task's or of another domain,
/// `no_select_provided` in a run without `.events`, `cancelled` (the uid is then given to the next
/// `select`), and what `fn` throws. Suspends; cancellable. OCaml: `Miou.suspend`.
void suspend(const syscall& point, unique_function<void()> fn = {});

} // namespace miou
