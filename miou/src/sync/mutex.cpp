#include "miou/mutex.hpp"

#include "miou/src/scheduler/scheduler.hpp"
#include "miou/trigger.hpp"

#include <cassert>
#include <chrono>
#include <optional>
#include <system_error>

#include <sched.h>

namespace miou {

using detail::identity;
using detail::memory_order_acquire;
using detail::memory_order_relaxed;
using detail::memory_order_release;
using detail::scheduler;

namespace {

using clock = std::chrono::steady_clock;

constexpr identity waiting = 1;
constexpr identity chosen = 2;
constexpr identity flags = waiting | chosen;

constexpr identity owner_of(identity word) noexcept {
    return word & ~flags;
}

// A waiter is overtaken for so long.
constexpr clock::duration longest_patience = std::chrono::milliseconds{1};

// A try takes the cache line away from the holder. In a pause of 1.5 us, the holder may lock and
// unlock fifty times.
constexpr int tries = 5;
constexpr int pauses_between_tries = 32;

} // namespace

// Every acquire below pairs with the release of the previous unlock or hand-over. The new owner
// sees a hand-over through its wake-up.

mutex::~mutex() {
    waiters_.require_nobody_waits("mutex");
    if ((word_.load(memory_order_relaxed) & chosen) != 0) [[unlikely]]
        detail::destroyed_with_waiter("mutex", nullptr);
}

void mutex::lock() {
    scheduler* const here = scheduler::count_call_of_caller();
    const identity self = scheduler::identity_of_caller(here);
    identity seen = 0;
    if (!word_.compare_exchange_strong(seen, self, memory_order_acquire, memory_order_relaxed))
        lock_contended(here, self);
}

bool mutex::try_lock() noexcept {
    return try_take(scheduler::identity_of_caller(), 0);
}

void mutex::unlock() {
    const identity self = scheduler::identity_of_caller();
    identity seen = self;
    if (!word_.compare_exchange_strong(seen, 0, memory_order_release, memory_order_relaxed))
        unlock_contended(self);
}

bool mutex::is_held_by(identity self) const noexcept {
    return owner_of(word_.load(memory_order_relaxed)) == self;
}

/// Locks it if it is free, and clears the flags in `cleared`.
bool mutex::try_take(identity self, identity cleared) noexcept {
    identity seen = word_.load(memory_order_relaxed);
    while (owner_of(seen) == 0)
        if (word_.compare_exchange_weak(seen, self | (seen & ~cleared), memory_order_acquire,
                                        memory_order_relaxed))
            return true;
    return false;
}

/// Locks it if it is free, and returns true. Else queues `me`, at the front if it was chosen
/// before.
bool mutex::take_or_queue(detail::waiter& me, bool was_chosen) noexcept {
    const auto held = waiters_.guard();
    identity seen = word_.load(memory_order_relaxed);
    for (;;) {
        const bool is_free = owner_of(seen) == 0;
        const identity rest = seen & ~(was_chosen ? chosen : 0);
        if (word_.compare_exchange_weak(seen, is_free ? rest | me.who : rest | waiting,
                                        memory_order_acquire, memory_order_relaxed)) {
            if (is_free)
                return true;
            was_chosen ? waiters_.push_front(held, me) : waiters_.push(held, me);
            return false;
        }
    }
}

/// Tries to lock it, for a moment if another thread holds it. If that may have no processor, lets
/// it have this one.
bool mutex::spin(const scheduler* here, identity self, identity cleared) noexcept {
    for (int left = tries;; --left) {
        if (try_take(self, cleared))
            return true;
        if (left == 1 ||
            (here != nullptr && here->is_home_of(owner_of(word_.load(memory_order_relaxed)))))
            return false;
        if (here != nullptr && here->run_of().may_spin)
            for (int pauses = pauses_between_tries; pauses != 0; --pauses)
                detail::spin_pause();
        else
            ::sched_yield();
    }
}

void mutex::lock_contended(scheduler* here, identity self) {
    if (spin(here, self, 0))
        return;
    if (here == nullptr)
        detail::require_that_caller_may_wait("miou::mutex::lock");
    if (is_held_by(self))
        throw std::system_error{std::make_error_code(std::errc::resource_deadlock_would_occur),
                                "miou::mutex::lock: the caller holds the mutex already"};
    wait_for_lock(here, self, false);
}

/// `was_chosen`: an unlock has woken the caller, and the mutex was not free.
void mutex::wait_for_lock(scheduler* here, identity self, bool was_chosen) {
    std::optional<clock::time_point> overtaken_since;
    bool insists = false;
    for (;; was_chosen = true) {
        detail::waiter me{here, scheduler::task_of_caller(here), self};
        me.insists = insists;
        if (take_or_queue(me, was_chosen))
            return;
        if (!waiters_.wait(me))
            std::rethrow_exception(here->cancellation());
        // A cancelled task does not keep the lock, even if it was woken before.
        const bool cancelled = here != nullptr && here->cancellation_due();
        if (cancelled) {
            me.was_handed ? unlock() : pass_on();
            std::rethrow_exception(here->cancellation());
        }
        if (me.was_handed || spin(here, self, chosen))
            return;
        const clock::time_point now = clock::now();
        if (!overtaken_since)
            overtaken_since = now;
        insists = now - *overtaken_since >= longest_patience;
    }
}

/// The caller was chosen and does not want the mutex any more.
void mutex::pass_on() noexcept {
    detail::waiter* next = nullptr;
    {
        const auto held = waiters_.guard();
        const identity cleared = waiters_.empty(held) ? flags : chosen;
        identity seen = word_.load(memory_order_relaxed);
        // If there is an owner, it will choose another one.
        while (owner_of(seen) != 0 || cleared == flags)
            if (word_.compare_exchange_weak(seen, seen & ~cleared, memory_order_relaxed))
                return;
        next = waiters_.pop(held);
        next->was_chosen = true;
    }
    next->wake();
}

void mutex::unlock_contended(identity self) {
    identity seen = word_.load(memory_order_relaxed);
    if (owner_of(seen) != self)
        throw std::system_error{std::make_error_code(std::errc::operation_not_permitted),
                                "miou::mutex::unlock: the caller does not hold the mutex"};
    for (;;) {
        if ((seen & flags) == waiting) {
            // The guard must be released before the mutex, because the next owner may destroy both.
            if (detail::waiter* const next = choose_next(self)) {
                if (next->was_chosen)
                    word_.fetch_and(flags, memory_order_release);
                return next->wake();
            }
            seen = word_.load(memory_order_relaxed);
        } else if (word_.compare_exchange_weak(seen, seen & flags, memory_order_release,
                                               memory_order_relaxed)) {
            return; // nobody waits, or the waiter that was chosen will try
        }
    }
}

/// Called by the holder. Takes out the first waiter, and hands it the mutex if it insists. Null if
/// all waiters were cancelled.
detail::waiter* mutex::choose_next(identity self) noexcept {
    const auto held = waiters_.guard();
    detail::waiter* const next = waiters_.pop(held);
    const identity rest = waiters_.empty(held) ? 0 : waiting;
    if (next == nullptr) {
        word_.store(self, memory_order_relaxed);
    } else if (next->insists) {
        next->was_handed = true;
        word_.store(next->who | rest, memory_order_release);
    } else {
        next->was_chosen = true;
        word_.store(self | rest | chosen, memory_order_relaxed);
    }
    return next;
}

/// `w` was taken out of a condition. Whoever holds the mutex will wake it. If nobody does, or `w`
/// itself has not unlocked it yet, this wakes it.
void mutex::queue_or_wake(detail::waiter& w) noexcept {
    {
        const auto held = waiters_.guard();
        identity seen = word_.load(memory_order_relaxed);
        while (owner_of(seen) != 0 && owner_of(seen) != w.who)
            if (word_.compare_exchange_weak(seen, seen | waiting, memory_order_relaxed))
                return waiters_.push(held, w);
    }
    w.wake();
}

/// The caller was `w`, in a condition.
void mutex::lock_after_wait(const detail::waiter& w) {
    assert(!w.was_handed); // it did not insist
    identity seen = 0;
    if (word_.compare_exchange_strong(seen, w.who, memory_order_acquire, memory_order_relaxed) ||
        spin(w.home, w.who, w.was_chosen ? chosen : 0))
        return;
    std::optional<detail::shield> until_locked;
    if (w.home != nullptr)
        until_locked.emplace(w.home->running_task());
    wait_for_lock(w.home, w.who, w.was_chosen);
}

} // namespace miou
