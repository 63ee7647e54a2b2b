// Mutual exclusion between tasks, on any domains, and plain threads.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/wait_list.hpp"
#include "miou/domain_key.hpp"

#include <functional>
#include <mutex>
#include <utility>

namespace miou {

/// A mutex that parks only the waiting task. Works with `std::scoped_lock` and `std::unique_lock`.
/// Every task and every plain thread may use it; a plain thread blocks. OCaml: `Miou.Mutex.t`.
///
/// Waiters are woken in order of arrival. But whoever runs may lock a free mutex first, because a
/// mutex that must wait for its next holder to wake up would be idle meanwhile. A waiter that is
/// overtaken goes to the front again. Once it has tried in vain for a millisecond, the next
/// `unlock` hands the mutex to it. So nobody starves.
class MIOU_API mutex {
public:
    mutex() noexcept = default;
    /// Terminates the program, with a message on standard error, if somebody still waits for it:
    /// the waiter would never wake, or find it gone.
    ~mutex();
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;

    /// Throws `cancelled` if the running task is cancelled while it waits: it does not have the
    /// mutex then. Throws `std::system_error` (`resource_deadlock_would_occur`) if the caller holds
    /// it, and `outside_of_task` in a hook or a handler if it is taken. Suspends unless it is free;
    /// cancellable. Spins for a moment before, if another thread holds it.
    void lock();
    /// Returns false if it is taken, even by the caller. Does not suspend.
    [[nodiscard]] bool try_lock() noexcept;
    /// Wakes the waiter that is first in the queue, if no other one is awake. Throws
    /// `std::system_error` (`operation_not_permitted`) unless the caller holds it. Does not
    /// suspend.
    void unlock();

    /// Runs `fn` with the mutex locked, and returns what `fn` returns. Unlocks even if `fn` throws.
    template <class F>
    decltype(auto) protect(F&& fn) {
        const std::scoped_lock held{*this};
        return std::invoke(std::forward<F>(fn));
    }

private:
    friend class condition;
    bool is_held_by(detail::identity self) const noexcept;
    bool try_take(detail::identity self, detail::identity cleared) noexcept;
    bool take_or_queue(detail::waiter& me, bool chosen) noexcept;
    bool spin(const detail::scheduler* here, detail::identity self,
              detail::identity cleared) noexcept;
    void lock_contended(detail::scheduler* here, detail::identity self);
    void wait_for_lock(detail::scheduler* here, detail::identity self, bool chosen);
    void pass_on() noexcept;
    void unlock_contended(detail::identity self);
    detail::waiter* choose_next(detail::identity self) noexcept;
    // For conditions.
    void queue_or_wake(detail::waiter& w) noexcept;
    void lock_after_wait(const detail::waiter& w);

    //     owner    whoever holds it, or 0
    //     | 1      waiting: somebody is in `waiters_`, or was there
    //     | 2      chosen: a waiter was woken, and has not tried to lock yet
    //
    // Only the holder changes the owner, and whoever finds it 0. `chosen` is set by an unlock, and
    // cleared by the waiter that was chosen. While the mutex has an owner, all other changes need
    // the guard of `waiters_`.
    detail::atomic<detail::identity> word_ = 0;
    detail::wait_list waiters_;
};

} // namespace miou
