// A queue of tasks and threads that wait for the same thing.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/atomic.hpp"
#include "miou/detail/blocked_thread.hpp"
#include "miou/detail/identity.hpp"
#include "miou/detail/spinlock.hpp"

#include <boost/intrusive/list.hpp>

#include <cassert>
#include <cstdint>
#include <mutex>
#include <optional>

namespace miou {

class mutex;

namespace detail {

class scheduler;
class wait_list;

/// A task or thread that waits; on its own stack. It waits once.
struct waiter {
    /// Stands for `task`, which lives on `here`; for the calling thread if both are null.
    waiter(scheduler* here, wakeable* task, identity self) noexcept
        : home{here}
        , who{self}
        , party{task != nullptr ? task : &thread.emplace()} {}
    void wake() noexcept { party->wake(); }

    scheduler* const home; // null for a thread
    const identity who;
    std::optional<blocked_thread> thread;
    wakeable* const party; // the task, or `thread`

    // Of waiters for a mutex.
    mutex* wanted = nullptr; // what a waiter of a condition will lock
    bool insists = false;    // it has lost too often: the mutex is handed to it
    bool was_handed = false; // it was woken, and has the mutex
    bool was_chosen = false; // it was woken, so that it tries to lock; nobody else was

    // Of the list that it was put into first. A condition moves it to the list of a mutex.
    wait_list* list = nullptr;
    std::uint64_t generation = 0; // of the list then
    bool taken_out = false;       // under the guard of `list`; for good
    boost::intrusive::list_member_hook<> place;
};

/// A FIFO queue. Leaving from the middle costs the same as from the front.
///
/// Whoever takes a waiter out of the list, under the guard, must wake it after releasing the guard.
/// So a waiter that is cancelled is either still in the list, and is taken out; or it was taken out
/// before, and will be woken.
class MIOU_API wait_list {
public:
    using lock = std::unique_lock<spinlock>;

    /// For the destructor of a `what` that has this list. Terminates the program if anybody waits.
    void require_nobody_waits(const char* what) const noexcept {
        if (!waiters_.empty()) [[unlikely]]
            destroyed_with_waiter(what, waiters_.front().party);
    }

    [[nodiscard]] lock guard() noexcept { return lock{guard_}; }

    /// Without the guard: whether a waiter was there that the caller must know of, because its push
    /// happened before.
    bool has_waiters() const noexcept { return length_.load(memory_order_relaxed) != 0; }

    // With the guard held, as the argument proves.
    bool empty([[maybe_unused]] const lock& held) const noexcept {
        assert(proves(held));
        return waiters_.empty();
    }
    void push(const lock& held, waiter& w) noexcept { insert(held, waiters_.end(), w); }
    void push_front(const lock& held, waiter& w) noexcept { insert(held, waiters_.begin(), w); }
    waiter* pop(const lock& held) noexcept {
        if (empty(held))
            return nullptr;
        waiter& first = waiters_.front();
        remove(held, first);
        return &first;
    }

    /// Without the guard: takes out all that wait now, and passes each to `wake`. From the
    /// beginning on, none of them can be withdrawn. Touches each waiter once, because none is in
    /// the cache when many have waited for long.
    template <class F>
    void pop_each(F&& wake) {
        queue now;
        {
            const lock held = guard();
            now.swap(waiters_);
            length_.store(0, memory_order_relaxed);
            ++generation_;
        }
        while (!now.empty()) {
            waiter& first = now.front();
            now.pop_front(); // before the wake-up, which may be its end
            wake(first);
        }
    }

    /// To be called after a push, without the guard. Waits until `w` was taken out and woken, and
    /// returns true. If the running task is cancelled before that, takes `w` out, and returns
    /// false: nobody will wake it.
    [[nodiscard]] bool wait(waiter& w) noexcept;
    /// Returns false if somebody has taken `w` out, and will wake it.
    bool withdraw(waiter& w) noexcept {
        const lock held = guard();
        if (w.taken_out || w.generation != generation_)
            return false;
        remove(held, w);
        return true;
    }

private:
    bool proves(const lock& held) const noexcept {
        return held.owns_lock() && held.mutex() == &guard_;
    }

    using queue = boost::intrusive::list<
        waiter,
        boost::intrusive::member_hook<waiter, boost::intrusive::list_member_hook<>, &waiter::place>,
        boost::intrusive::constant_time_size<false>>;

    void insert([[maybe_unused]] const lock& held, queue::iterator before, waiter& w) noexcept {
        assert(proves(held));
        if (w.list == nullptr) {
            w.list = this;
            w.generation = generation_;
        }
        waiters_.insert(before, w);
        length_.store(length_.load(memory_order_relaxed) + 1, memory_order_relaxed);
    }
    void remove([[maybe_unused]] const lock& held, waiter& w) noexcept {
        assert(proves(held) && length_.load(memory_order_relaxed) != 0);
        waiters_.erase(waiters_.iterator_to(w));
        length_.store(length_.load(memory_order_relaxed) - 1, memory_order_relaxed);
        if (w.list == this)
            w.taken_out = true;
    }

    spinlock guard_;
    atomic<std::uint32_t> length_ = 0;
    std::uint64_t generation_ = 0; // how often all were taken out
    queue waiters_;
};

} // namespace detail
} // namespace miou
