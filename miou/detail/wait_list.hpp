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

/// On the stack of whoever waits.
struct waiter {
    using hook = boost::intrusive::list_member_hook<
        boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

    trigger woken;
    identity who = 0;       // for mutexes
    waiter* next = nullptr; // in the chain of pop_all
    hook place;
};

/// FIFO; leaving it from the middle costs the same as from the front.
///
/// Whoever takes a waiter out of the list, under the guard, owes it a signal and gives that after
/// releasing the guard. So a waiter that is cancelled finds itself either in the list and takes
/// itself out; or taken out, with a signal on its way that it must wait for.
class wait_list {
public:
    using lock = std::unique_lock<spinlock>;

    /// A `what` with this list goes: terminates the program if anybody waits.
    void require_nobody_waits(const char* what) const noexcept {
        if (!waiters_.empty()) [[unlikely]]
            waiters_.front().woken.destroyed_with_waiter(what);
    }

    [[nodiscard]] lock guard() noexcept { return lock{guard_}; }

    // With the guard held, which the lock proves.
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
    /// All, chained in order; read `next` before each is signaled.
    waiter* pop_all(const lock& held) noexcept {
        waiter* first = nullptr;
        for (waiter** end = &first; (*end = pop(held)) != nullptr; end = &(*end)->next) {
        }
        return first;
    }

    /// Waits, after a push and without the guard, until `w` was taken and signaled: null. If the
    /// running task is cancelled before `w` was taken, takes `w` out, calls `when_left` under the
    /// guard, and returns the cancellation.
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
