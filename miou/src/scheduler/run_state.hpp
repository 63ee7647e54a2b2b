// What the domains of one run share.
#pragma once

#include "miou/detail/atomic.hpp"
#include "miou/detail/task.hpp"
#include "miou/src/fiber/stack.hpp"

#include <cstdint>
#include <exception>
#include <mutex>
#include <vector>

namespace miou::detail {

/// The user's settings, checked.
struct run_settings {
    std::uint32_t quanta; // calls of a task that did not park, before other tasks run
    std::uint32_t poll;   // tasks run between two polls of the system
    std::uint64_t seed;
    unsigned domains; // besides dom0
    guard_settings guards;
};

/// Made before the first domain and gone after the last one.
struct run_state {
    explicit run_state(const run_settings& chosen, task& main_task);
    run_state(const run_state&) = delete;
    run_state& operator=(const run_state&) = delete;
    ~run_state();

    const run_settings settings;
    task& root;
    const std::uint64_t identity_base; // see scheduler::identity_of
    const bool may_spin;               // every domain has a processor of its own
    std::vector<scheduler*> domains;   // by number; complete before the first task runs

    /// Any domain, when it ends: its tasks had numbers below `end`.
    void note_task_numbers(std::uint64_t end) noexcept;

    /// Threads of no domain of this run that are inside `scheduler::send`. The run does not end
    /// before they have left it.
    atomic<unsigned> foreign_senders = 0;

    /// Any domain. The first failure cancels every task, and `run` will throw it.
    void fail(std::exception_ptr cause) noexcept;
    /// Any domain. A domain sees the failure at the latest when it reads a mail that was sent after
    /// it.
    bool has_failed() const noexcept { return failed_.load(memory_order_relaxed); }
    /// To be called after the last task has ended.
    const std::exception_ptr& failure() const noexcept { return failure_; }

private:
    std::mutex guard_;
    std::uint64_t end_of_numbers_ = 0;
    std::exception_ptr failure_;
    atomic<bool> failed_ = false; // whether `failure_` is set
};

} // namespace miou::detail
