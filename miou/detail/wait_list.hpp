// A queue of tasks and threads that wait for the same thing.
#pragma once

#include "miou/detail/identity.hpp"
#include "miou/detail/spinlock.hpp"
#include "miou/trigger.hpp"

#include <boost/intrusive/list.hpp>

#include <cassert>
#include <exception>
#include <mutex>

namespace miou::detail {

/// A task or thread that waits; on its own stack.
struct waiter {
    using hook = boost::intrusive::list_member_hook<
        boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

    trigger woken;
    identity who = 0;       // for mutexes
    waiter* next = nullptr; // in the chain of pop_all
    hook place;
};

/// A FIFO queue. Leaving from the middle costs the same as from the front.
///
/// Whoever takes a waiter out of the list, under the guard, must signal it after releasing the
/// guard. So a waiter that is cancelled is either still in the list, and takes itself out; or it
/// was taken out, and must wait for the signal that is on its way.
class wait_list {
public:
    using lock = std::unique_lock<spinlock>;

    /// For the destructor of a `what` that has this list. Terminates the program if anybody waits.
    void require_nobody_waits(const char* what) const noexcept {
        if (!waiters_.empty()) [[unlikely]]
            waiters_.front().woken.destroyed_with_waiter(what);
    }

    [[nodiscard]] lock guard() noexcept { return lock{guard_}; }

    // With the guard held, as the argument proves.
    bool empty([[maybe_unused]] const lock& held) const noexcept {
        assert(proves(held));
        return waiters_.empty();
    }
    void push([[maybe_unused]] const lock& held, waiter& w) noexcept {
        assert(proves(held) && !w.place.is_linked() && w.woken.is_initial());
        waiters_.push_back(w);
    }
    waiter* pop([[maybe_unused]] const lock& held) noexcept {
        assert(proves(held));
        if (waiters_.empty())
            return nullptr;
        waiter& first = waiters_.front();
        waiters_.pop_front();
        return &first;
    }
    /// Takes out all, chained in order. Read the `next` of each before you signal it.
    waiter* pop_all(const lock& held) noexcept {
        waiter* first = nullptr;
        for (waiter** end = &first; (*end = pop(held)) != nullptr; end = &(*end)->next) {
        }
        return first;
    }

    /// To be called after a push, without the guard. Waits until `w` was taken out and signaled,
    /// and returns null. If the running task is cancelled before that, takes `w` out, calls
    /// `when_left` under the guard, and returns the cancellation.
    template <class F>
    std::exception_ptr wait(waiter& w, F&& when_left) {
        return w.woken.await_or([&] {
            const lock held = guard();
            if (!w.place.is_linked())
                return false;
            w.place.unlink();
            when_left(held);
            return true;
        });
    }

private:
    bool proves(const lock& held) const noexcept {
        return held.owns_lock() && held.mutex() == &guard_;
    }

    spinlock guard_;
    boost::intrusive::list<waiter,
                           boost::intrusive::member_hook<waiter, waiter::hook, &waiter::place>,
                           boost::intrusive::constant_time_size<false>>
        waiters_;
};

} // namespace miou::detail
