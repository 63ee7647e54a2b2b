// The primitive of waiting: one party waits, another signals, once.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/trigger_state.hpp"
#include "miou/unique_function.hpp"

#include <exception>
#include <memory>
#include <utility>

namespace miou {
namespace detail {

/// Throws `outside_of_task`, naming `caller`, in a hook, a `select` or a handler: a wait there
/// would stop its domain, maybe for ever. Does nothing in tasks and on plain threads. Call it
/// before you change anything for the wait.
MIOU_API void require_that_caller_may_wait(const char* caller);

} // namespace detail

/// An event that happens once. Any thread may signal it. One task or plain thread may await it.
/// Once `await` has returned, the trigger may be destroyed, even while another thread is still
/// inside `signal`. OCaml: `Miou.Trigger.t`.
class MIOU_API trigger {
public:
    trigger() noexcept = default;
    /// Terminates the program, with a message on standard error, if somebody still awaits it: the
    /// waiter would never wake.
    ~trigger();

    /// Whether nobody has signaled it and nobody awaits it.
    bool is_initial() const noexcept { return state_.is_initial(); }
    bool is_signaled() const noexcept { return state_.is_signaled(); }

    /// Makes it signaled, for ever. Wakes the waiter, or runs the attached function. Any task, any
    /// thread, a hook, a `select`; not from a POSIX signal handler. Never suspends, never throws.
    void signal() noexcept { state_.signal(); }

    /// Fetches the waiter into the cache, for a caller that will signal many triggers one after
    /// another. Changes nothing. Any thread; while it is awaited, only a thread that will signal
    /// it.
    [[gnu::always_inline]] void prefetch() const noexcept { state_.prefetch(); }

    /// Waits until it is signaled, and returns null. If the running task is cancelled first,
    /// returns the cancellation and does not throw it: the caller cleans up and rethrows. The
    /// trigger is initial again then, and may be awaited again.
    ///
    /// In a task: suspends unless it was signaled before; cancellable. On a plain thread: blocks.
    /// Throws `std::invalid_argument` if somebody awaits it already.
    std::exception_ptr await();
    /// `await`, but throws the cancellation. No OCaml counterpart.
    void await_exn() {
        if (const std::exception_ptr cancellation = await())
            std::rethrow_exception(cancellation);
    }

    /// Runs `fn` when it is signaled, on the signaling thread, which may be any. `fn` must not
    /// throw or suspend. If it was signaled before, drops `fn` and returns false. Throws
    /// `std::invalid_argument` if somebody awaits it already. OCaml: `Trigger.on_signal`.
    bool on_signal(unique_function<void()> fn);

    // For waits for several things: wakes `w` on the signaling thread. `w` must live until then,
    // and nobody else may await this.
    void wake_on_signal(detail::wakeable& w) noexcept { state_.try_wait(w); }
    // For classes that are made of triggers.
    /// Waits as `await` does, but uncancellably.
    void await_uncancellably();
    /// Waits until it is signaled, and returns null. If the running task is cancelled first, calls
    /// `withdraw()`, which returns whether nobody will signal this any more. If so, returns the
    /// cancellation. If not, the signal is on its way: waits for it uncancellably, and returns
    /// null.
    template <class F>
    std::exception_ptr await_or(F&& withdraw) {
        std::exception_ptr cancellation = await();
        if (!cancellation || std::forward<F>(withdraw)())
            return cancellation;
        await_uncancellably();
        return nullptr;
    }

private:
    detail::trigger_state state_;
};

} // namespace miou
