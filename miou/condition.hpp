// Waiting for a condition that a mutex protects.
#pragma once

#include "miou/config.hpp"
#include "miou/mutex.hpp"

namespace miou {

/// A condition variable for tasks, on any domains, and plain threads. OCaml: `Miou.Condition.t`.
class MIOU_API condition {
public:
    condition() noexcept = default;
    /// Terminates the program, with a message on standard error, if somebody still waits for it. It
    /// may be destroyed once every `wait` has returned, even while another thread is still inside
    /// `signal` or `broadcast`.
    ~condition() { waiters_.require_nobody_waits("condition"); }
    condition(const condition&) = delete;
    condition& operator=(const condition&) = delete;

    /// Unlocks `held` and waits for a `signal` or `broadcast`, in one step. Locks `held` again
    /// before it returns or throws. Throws `cancelled`, unless a signal came first: then it
    /// returns, so no signal is lost. Throws `std::system_error` (`operation_not_permitted`) unless
    /// the caller holds `held`. Suspends; cancellable, but the locking is not. On a plain thread it
    /// blocks.
    void wait(mutex& held);
    /// Waits until `done()` holds.
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

    /// Wakes the waiter that has waited longest, if any. The mutex need not be held. Any task or
    /// thread, a hook, a `select`. Does not suspend.
    void signal() noexcept;
    /// Wakes all waiters.
    void broadcast() noexcept;

private:
    static void notify(detail::waiter& w) noexcept;

    detail::wait_list waiters_;
};

} // namespace miou
