// Suspension points of the system.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/suspension.hpp"
#include "miou/events.hpp"
#include "miou/unique_function.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace miou {

/// A suspension point of the running task, to be resumed by its domain's `select`. A handle; copies
/// name the same point. OCaml: `Miou.syscall`.
class MIOU_API syscall {
public:
    /// A new suspension point of the running task. `name` is for traces. Throws `outside_of_task`.
    explicit syscall(std::string_view name = {});

    /// Any thread. OCaml: `Miou.uid`.
    syscall_uid uid() const noexcept { return syscall_uid{point_->uid}; }

    // For `suspend` and `signal`.
    const std::shared_ptr<detail::suspension>& point() const noexcept { return point_; }

private:
    std::shared_ptr<detail::suspension> point_;
};

/// Parks the running task until its domain's `select` returns a `signal` of `point`. `fn` runs just
/// before: tell the system there what to wait for. If the suspension is cancelled after `fn` has
/// begun, `select` is told. A signal that comes before the suspension is not lost.
///
/// Throws `std::invalid_argument` if `point` is another task's or of another domain,
/// `no_select_provided` in a run without `.events`, `cancelled` (the next `select` gets the uid
/// then), and what `fn` throws. Suspends; cancellable. OCaml: `Miou.suspend`.
MIOU_API void suspend(const syscall& point, unique_function<void()> fn = {});

} // namespace miou
