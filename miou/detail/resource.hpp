// What a task owns and must give back.
#pragma once

#include "miou/detail/inbox.hpp"
#include "miou/detail/task.hpp"

#include <cstdint>
#include <memory>

namespace miou::detail {

/// A value with its finaliser. Owned by at most one task at a time, and linked into that task's
/// list, which keeps it alive; the user's handles share it.
struct resource : mail, std::enable_shared_from_this<resource> {
    resource() noexcept
        : mail{mail_kind::resource} {}
    virtual ~resource() = default;

    /// Runs the user's finaliser; may throw what it throws.
    virtual void finalise() = 0;

    atomic<task*> owner = nullptr;  // written on the owner's domain; null: owned by nobody
    std::shared_ptr<resource> next; // the owner's list
    resource* previous = nullptr;
    task* destination = nullptr;          // while in the inbox of another domain,
    std::shared_ptr<resource> in_transit; // which this keeps alive

    void attach_to(task& new_owner);
    /// Returns the reference that the owner's list held.
    std::shared_ptr<resource> detach() noexcept;
};

/// Finalises all that `owner` still holds, newest first. What finalisers throw is logged.
void finalise_resources(task& owner) noexcept;

} // namespace miou::detail
