// The state machine of everything that one party awaits and another party signals.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/atomic.hpp"
#include "miou/prefetch.hpp"

#include <cstdint>

namespace miou::detail {

class task;

/// A waiter: woken at most once for each time that it was put into a trigger_state.
class MIOU_API wakeable {
public:
    /// Any thread. Once the waker has entered this, it may touch neither the trigger_state nor
    /// anything else that the waiter owns.
    virtual void wake() noexcept = 0;

    /// What it waits for is destroyed: deletes it, if nobody else would. Returns whether it did.
    virtual bool discard() noexcept { return false; }
    /// The task that it is, or null.
    virtual const task* as_task() const noexcept { return nullptr; }

protected:
    ~wakeable() = default;
};

/// Terminates the program, with a message: a `what` is destroyed while `waiter` waits for it, which
/// is null if nobody knows it.
[[noreturn]] MIOU_API void destroyed_with_waiter(const char* what, const wakeable* waiter) noexcept;

/// One atomic word.
///
///                   signal
///        initial ------------------> signaled   (final)
///         |   ^                         ^
/// try_wait|   | withdraw                | signal: wakes the waiter
///         v   |                         |
///        awaiting(waiter) --------------+
///
/// Whoever moves the word out of `awaiting` owns the wake-up of the waiter: either `signal`, which
/// then wakes it, or `withdraw`, after which nobody will. So a waiter is woken at most once. If
/// `withdraw` fails, the wake-up is on the way.
///
/// Lifetime: `signal` touches the word once, with its exchange. A waiter that has been woken may
/// destroy it while the signaling thread is still inside `wake`.
class trigger_state {
public:
    trigger_state() noexcept = default;
    trigger_state(const trigger_state&) = delete;
    trigger_state& operator=(const trigger_state&) = delete;

    /// Any thread.
    void signal() noexcept {
        // Release pairs with the acquire in try_wait and is_signaled: what was written before the
        // signal is visible after the wait. Acquire pairs with try_wait: the waiter is whole.
        const std::uintptr_t before = word_.exchange(signaled, memory_order_acq_rel);
        if (before != initial && before != signaled)
            reinterpret_cast<wakeable*>(before)->wake();
    }

    enum class wait_outcome { waiting, already_signaled, already_awaited };

    wait_outcome try_wait(wakeable& waiter) noexcept {
        std::uintptr_t seen = initial;
        if (word_.compare_exchange_strong(seen, word_of(waiter), memory_order_acq_rel,
                                          memory_order_acquire))
            return wait_outcome::waiting;
        return seen == signaled ? wait_outcome::already_signaled : wait_outcome::already_awaited;
    }

    /// Returns true if nobody will wake `waiter` now, false if its wake-up is on the way.
    bool withdraw(wakeable& waiter) noexcept {
        std::uintptr_t seen = word_of(waiter);
        return word_.compare_exchange_strong(seen, initial, memory_order_acq_rel,
                                             memory_order_acquire);
    }

    bool is_initial() const noexcept { return word_.load(memory_order_acquire) == initial; }
    bool is_signaled() const noexcept { return word_.load(memory_order_acquire) == signaled; }

    /// The waiter, or null. Only for an owner that knows that nobody signals any more.
    wakeable* waiter() const noexcept {
        const std::uintptr_t seen = word_.load(memory_order_acquire);
        return seen == initial || seen == signaled ? nullptr : reinterpret_cast<wakeable*>(seen);
    }

    /// Fetches the waiter that `signal` will wake into the cache.
    [[gnu::always_inline]] void prefetch() const noexcept {
        prefetch_lines<2>(word_.load(memory_order_relaxed)); // harmless if there is no waiter
    }

private:
    static constexpr std::uintptr_t initial = 0;
    static constexpr std::uintptr_t signaled = 1;
    static std::uintptr_t word_of(wakeable& waiter) noexcept {
        return reinterpret_cast<std::uintptr_t>(&waiter);
    }

    atomic<std::uintptr_t> word_ = initial;
};

} // namespace miou::detail
