// The primitive of waiting: one waits, another signals, once.
#pragma once

#include "miou/detail/trigger_state.hpp"
#include "miou/unique_function.hpp"

#include <exception>
#include <memory>
#include <utility>

namespace miou {
namespace detail {

/// Before anything is changed for the wait that follows. A hook, a `select` or a handler that
/// waited would stop its domain, maybe for ever: throws `outside_of_task` there, naming `caller`.
/// Not in tasks and on plain threads.
void require_that_caller_may_wait(const char* caller);

} // namespace detail

/// Something that happens once. Signaled from any thread; awaited by one task or plain thread. Once
/// `await` has returned it may be destroyed, also while another thread is still inside `signal`.
/// OCaml: `Miou.Trigger.t`.
class trigger {
public:
    trigger() noexcept = default;
    /// Whoever still awaits it would be lost: that is said on standard error, and the program
    /// terminated.
    ~trigger();

    /// Nobody has signaled it and nobody awaits it.
    bool is_initial() const noexcept { return state_.is_initial(); }
    bool is_signaled() const noexcept { return state_.is_signaled(); }

    /// Makes it signaled, for ever, and wakes whoever awaits it or runs what was attached. Any
    /// task, any thread, a hook, a `select`; not from a POSIX signal handler. Never suspends, never
    /// throws.
    void signal() noexcept { state_.signal(); }

    /// `signal` will follow soon: fetches the waiter into the cache, for whoever signals many one
    /// after the other. Changes nothing. Any thread; while it is awaited, only one that will signal
    /// it.
    [[gnu::always_inline]] void prefetch() const noexcept { state_.prefetch(); }

    /// Waits until it is signaled. Null when it was; otherwise the cancellation of the running
    /// task, which is returned, not thrown: the caller cleans up and rethrows. The trigger is then
    /// initial again and may be awaited again.
    ///
    /// In a task: suspends unless it was signaled; cancellable. On a plain thread: blocks. Throws
    /// `std::invalid_argument` if somebody awaits it already.
    std::exception_ptr await();
    /// `await`, but throws the cancellation. No OCaml counterpart.
    void await_exn() {
        if (const std::exception_ptr cancellation = await())
            std::rethrow_exception(cancellation);
    }

    /// Runs `fn` when it is signaled, on the thread that signals, which may be any: `fn` must not
    /// throw or suspend. False, and `fn` is dropped, if it was signaled before. Throws
    /// `std::invalid_argument` if somebody awaits it already. OCaml: `Trigger.on_signal`.
    bool on_signal(unique_function<void()> fn);

    // For whoever waits for several things: wakes `w`, which must live until then, on the thread
    // that signals. Nobody awaits it.
    void wake_on_signal(detail::wakeable& w) noexcept { state_.try_wait(w); }
    // For what is made of triggers.
    /// Waits until it is signaled, as `await` does but not cancellably.
    void await_uncancellably();
    /// Waits until it is signaled; null then. If the running task is cancelled before, calls
    /// `withdraw()`, which says whether nobody will signal this any more. If so, returns the
    /// cancellation. If not, the signal is on its way: it is awaited, not cancellably.
    template <class F>
    std::exception_ptr await_or(F&& withdraw) {
        std::exception_ptr cancellation = await();
        if (!cancellation || std::forward<F>(withdraw)())
            return cancellation;
        await_uncancellably();
        return nullptr;
    }
    /// A `what` goes while this, a part of it, is awaited.
    [[noreturn]] void destroyed_with_waiter(const char* what) const noexcept;

private:
    detail::trigger_state state_;
};

} // namespace miou
