// Waiting for a condition that a mutex protects.
#pragma once

#include "miou/mutex.hpp"

namespace miou {

/// A condition variable for tasks, on any domains, and plain threads. OCaml: `Miou.Condition.t`.
class condition {
public:
    condition() noexcept = default;
    /// As that of a mutex.
    ~condition() { waiters_.require_nobody_waits("condition"); }
    condition(const condition&) = delete;
    condition& operator=(const condition&) = delete;

    /// Unlocks `held` and waits for a `signal` or `broadcast`, in one step; locks it again before
    /// it returns or throws. Throws `cancelled`, unless it was given a signal before: then it
    /// returns, and no signal is lost. Throws `std::system_error` (`operation_not_permitted`)
    /// unless the caller holds `held`. Suspends; cancellable, but the locking is not. On a plain
    /// thread it blocks.
    void wait(mutex& held);
    /// Returns as soon as `done()` holds.
    template <class Predicate>
    void wait(mutex& held, Predicate done) {
        while (!done())
            wait(held);
    }
    void wait(std::unique_lock<mutex>& held);
    template <class Predicate>
    void wait(std::unique_lock<mutex>& held, Predicate done) {
        while (!done())
            wait(held);
    }

    /// Wakes whoever has waited longest, if anybody. Any task or thread. Does not suspend.
    void signal() noexcept;
    /// Wakes all that wait.
    void broadcast() noexcept;

private:
    detail::wait_list waiters_;
};

} // namespace miou
