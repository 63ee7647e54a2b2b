// Mutual exclusion between tasks, on any domains, and plain threads.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/wait_list.hpp"
#include "miou/domain_key.hpp"

#include <functional>
#include <mutex>
#include <utility>

namespace miou {

/// A mutex that parks only the waiting task, and is handed over in order of arrival. Works with
/// `std::scoped_lock` and `std::unique_lock`. Every task and every plain thread may use it; a plain
/// thread blocks. OCaml: `Miou.Mutex.t`.
class MIOU_API mutex {
public:
    mutex() noexcept = default;
    /// Terminates the program, with a message on standard error, if somebody still waits for it:
    /// the waiter would never wake.
    ~mutex() { waiters_.require_nobody_waits("mutex"); }
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;

    /// Throws `cancelled` if the running task is cancelled while it waits: it does not have the
    /// mutex then. Throws `std::system_error` (`resource_deadlock_would_occur`) if the caller holds
    /// it. Suspends unless it is free; cancellable.
    void lock();
    /// Returns false if it is taken, even by the caller. Does not suspend.
    [[nodiscard]] bool try_lock() noexcept;
    /// Hands the mutex to the waiter that has waited longest. Throws `std::system_error`
    /// (`operation_not_permitted`) unless the caller holds it. Does not suspend.
    void unlock();

    /// Runs `fn` with the mutex locked, and returns what `fn` returns. Unlocks even if `fn` throws.
    template <class F>
    decltype(auto) protect(F&& fn) {
        const std::scoped_lock held{*this};
        return std::invoke(std::forward<F>(fn));
    }

private:
    friend class condition;
    bool held_by_caller() const noexcept;
    void lock_contended(detail::scheduler* here, detail::identity self);
    void unlock_contended(detail::identity self);

    //   0               free
    //   owner           locked
    //   owner | 1       locked, and somebody waits: only the guard of `waiters_` may change it
    detail::atomic<detail::identity> word_ = 0;
    detail::wait_list waiters_;
};

} // namespace miou
