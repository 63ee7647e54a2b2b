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

/// On the stack of who waits.
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
/// Who takes a waiter out of the list, under the guard, owes it a signal, after the guard was let
/// go. So a waiter that was cancelled either takes itself out, and nobody will signal it; or it
/// finds that it was taken, and waits, uncancellably, for the signal that is on its way.
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

    struct outcome {
        std::exception_ptr cancellation; // null: signaled
        bool signaled;                   // true also for one that was cancelled too late
    };
    /// Waits, after a push and without the guard, until `w` was taken and signaled, or until the
    /// running task was cancelled. `when_left` runs under the guard when it leaves by itself.
    template <class F>
    outcome wait(waiter& w, F&& when_left) {
        std::exception_ptr cancellation = w.woken.await();
        if (!cancellation)
            return {nullptr, true};
        return {std::move(cancellation), !leave(w, std::forward<F>(when_left))};
    }

private:
    bool proves(const lock& held) const noexcept {
        return held.owns_lock() && held.mutex() == &guard_;
    }

    template <class F>
    bool leave(waiter& w, F&& when_left) {
        if (const lock held = guard(); w.place.is_linked()) {
            w.place.unlink();
            when_left(held);
            return true;
        }
        await_signal_on_its_way(w.woken);
        return false;
    }
    static void await_signal_on_its_way(trigger& woken);

    spinlock guard_;
    boost::intrusive::list<waiter,
                           boost::intrusive::member_hook<waiter, waiter::hook, &waiter::place>,
                           boost::intrusive::constant_time_size<false>>
        waiters_;
};

} // namespace miou::detail
