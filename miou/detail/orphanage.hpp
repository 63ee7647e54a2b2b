// The children that a task keeps in an `orphans`.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/atomic.hpp"
#include "miou/detail/task.hpp"

#include <cstddef>
#include <cstdint>

namespace miou::detail {

class scheduler;

/// The untyped half of `orphans<T>`. Holds one handle of each child. Owned by the first task that
/// uses it.
///
/// Each child is in one of three lists. It moves from `running` to one of the others when it ends,
/// so that no operation has to search.
struct MIOU_API orphanage {
    orphanage() = default;
    orphanage(const orphanage&) = delete;
    orphanage& operator=(const orphanage&) = delete;
    /// In the owner: cancels the children that are left, and waits for them.
    ~orphanage();

    /// Throws `std::invalid_argument` unless the running task owns it, or is the first to use it.
    void acquire(const char* caller);
    void add(task& child) noexcept;
    void on_child_ended(task& child) noexcept;
    /// Takes out a child that has finished, successes first, then first come first served. Null if
    /// there is none. The caller takes over the handle.
    task* take_ended() noexcept;
    /// The same for any child, finished ones first.
    task* take_any() noexcept;
    /// Waits until a child has finished. Returns false if no child is left.
    bool wait();

    task::orphan_list running;
    task::orphan_list failed;
    task::orphan_list succeeded;
    bool awaited = false; // the owner is parked in `wait`
    atomic<std::size_t> length = 0;

private:
    task* unlink(task::orphan_list& from) noexcept;

    atomic<std::uint64_t> owner_ = 0; // an identity
};

} // namespace miou::detail
