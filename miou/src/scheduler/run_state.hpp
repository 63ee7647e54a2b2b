// What the domains of one run share.
#pragma once

#include "miou/detail/atomic.hpp"
#include "miou/detail/task.hpp"

#include <cstdint>
#include <exception>
#include <mutex>
#include <vector>

namespace miou::detail {

/// The user's settings, checked.
struct run_settings {
    std::uint32_t quanta; // calls that need not park, before others must run
    std::uint32_t poll;   // tasks run between two polls of the system
    std::uint64_t seed;
    unsigned domains; // besides dom0
};

/// Made before the first domain and gone after the last one.
struct run_state {
    explicit run_state(const run_settings& chosen, task& main_task);

    const run_settings settings;
    task& root;
    const std::uint64_t identity_base; // see scheduler::identity_of
    const bool may_spin;               // every domain has a processor of its own
    std::vector<scheduler*> domains;   // by number; complete before the first task runs

    /// Threads that are not of this run and are inside `scheduler::send`. The run does not end
    /// before they have left.
    atomic<unsigned> foreign_senders = 0;

    /// Any domain. The first failure is what `run` will throw; it cancels every task.
    void fail(std::exception_ptr cause) noexcept;
    /// Any domain: seen by whoever has a mail that was sent after the failure.
    bool has_failed() const noexcept { return failed_.load(memory_order_relaxed); }
    /// After the last task.
    const std::exception_ptr& failure() const noexcept { return failure_; }

private:
    std::mutex guard_;
    std::exception_ptr failure_;
    atomic<bool> failed_ = false; // there is one
};

} // namespace miou::detail
