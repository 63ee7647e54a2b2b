// The children that a task has put aside.
#pragma once

#include "miou/detail/atomic.hpp"
#include "miou/detail/task.hpp"

#include <cstddef>
#include <cstdint>

namespace miou::detail {

class scheduler;

/// The untyped half of `orphans<T>`. A child stands in one of three lists and moves from the first
/// to one of the others when it has ended, so that nothing here depends on how many there are.
/// Holds one handle of each child. Owned by the first task that uses it.
struct orphanage {
    orphanage() = default;
    orphanage(const orphanage&) = delete;
    orphanage& operator=(const orphanage&) = delete;
    /// The owner cancels what is left and waits for it.
    ~orphanage();

    /// Throws `std::invalid_argument` unless the running task owns it, or is the first to use it.
    void acquire(const char* caller);
    void add(task& child) noexcept;
    void on_child_ended(task& child) noexcept;
    /// One that has finished, a success if there is one, first come first served; or null. The
    /// caller takes over the handle.
    task* take_ended() noexcept;
    /// Any, finished ones first; or null.
    task* take_any() noexcept;
    /// Waits until `take_ended` has something; false if nothing is left to wait for.
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
