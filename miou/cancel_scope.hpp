// A part of the running task that can be cancelled by itself.
#pragma once

#include "miou/at_end.hpp"
#include "miou/config.hpp"
#include "miou/detail/atomic.hpp"
#include "miou/detail/inbox.hpp"
#include "miou/detail/scope.hpp"
#include "miou/detail/trigger_state.hpp"
#include "miou/errors.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace miou {
namespace detail {

/// Calls `fn` inside of `opened`. The outcome is empty if that scope's cancellation has ended `fn`.
template <class F>
auto run_inside(const scope& opened, F&& fn) {
    using R = std::remove_cvref_t<std::invoke_result_t<F>>;
    using outcome = std::conditional_t<std::is_void_v<R>, bool, std::optional<R>>;
    try {
        if constexpr (std::is_void_v<R>) {
            std::invoke(std::forward<F>(fn));
            return outcome{true};
        } else {
            return outcome{std::invoke(std::forward<F>(fn))};
        }
    } catch (const cancelled&) {
        if (!is_cause(opened))
            throw;
        return outcome{};
    }
}

} // namespace detail

/// A `cancel_scope` that only its own domain cancels: a timer, a handler, another task there.
/// Opening and closing it costs a few instructions.
class local_cancel_scope {
public:
    local_cancel_scope() noexcept = default;

    /// See `cancel_scope::run`.
    template <class F>
    auto run(F&& fn) {
        detail::open(scope_, "miou::local_cancel_scope::run");
        const at_end close{[this] { detail::close(scope_); }};
        return detail::run_inside(scope_, std::forward<F>(fn));
    }
    /// See `cancel_scope::cancel`. Only on the domain of the task that runs it. Has no effect
    /// before `run` and after it.
    void cancel() noexcept {
        if (scope_.is_open)
            detail::cancel(scope_);
    }

private:
    detail::scope scope_;
};

/// A part of the running task that can be cancelled by itself. Spawns nothing and allocates
/// nothing. Can be used once. No OCaml counterpart.
///
///     miou::cancel_scope limit;
///     if (const auto got = limit.run([&] { return answer.await_exn(); })) // a computation
///         use(*got); // otherwise somebody has called limit.cancel()
class MIOU_API cancel_scope {
public:
    cancel_scope() noexcept = default;
    cancel_scope(const cancel_scope&) = delete;
    cancel_scope& operator=(const cancel_scope&) = delete;

    /// Calls `fn` in the running task, which keeps its promises, mutexes and resources. Returns the
    /// value of `fn` as an optional (`true` for void). The optional is empty (`false`) if the
    /// cancellation of this scope has ended `fn`. A value of `fn` is returned however late it
    /// comes: a call that has completed is never thrown away. Other exceptions of `fn` pass
    /// through.
    ///
    /// Scopes nest: the cancellation of the task, or of a scope around this one, passes through.
    /// Children that `fn` has spawned follow the ordinary rules: an exception destroys their
    /// handles, so they are cancelled and awaited.
    ///
    /// Throws `outside_of_task`, and `std::invalid_argument` if it has run before. Suspends only as
    /// `fn` does, and, uncancellably, until a `cancel` on another thread has arrived.
    template <class F>
    auto run(F&& fn) {
        open();
        const at_end end{[this] { close(); }};
        return detail::run_inside(scope_, std::forward<F>(fn));
    }

    /// From now on every suspension of the task inside of `fn` throws `cancelled`, until `fn` has
    /// ended. A call that completes all the same returns. An uncancellable section, or a destructor
    /// that runs during unwinding, defers the cancellation only if it began inside of the scope. So
    /// a scope inside of a clean-up limits the clean-up, too. Before `run`, cancels the scope in
    /// advance. After `run`, or a second time, does nothing.
    ///
    /// Any thread, while this lives. Does not suspend.
    void cancel() noexcept;

    // For the scheduler, when the mail has come.
    void arrive() noexcept;
    struct letter : detail::mail {
        explicit letter(cancel_scope& subject) noexcept
            : mail{detail::mail_kind::scope}
            , of{subject} {}
        cancel_scope& of;
    };

private:
    void open();
    void close() noexcept;

    //      fresh ---- open ----> opened ---- close ----> closed
    //        |                     |                       ^
    //      cancel                cancel, once: a mail      |  (the mail, if one was sent, has come)
    //        v                     v                       |
    //      early ---- open ----> cancelled --- close ------+
    enum class state : std::uint8_t { fresh, early, opened, cancelled, closed };

    detail::scope scope_;
    detail::atomic<state> state_ = state::fresh;
    detail::scheduler* home_ = nullptr; // once opened
    letter letter_{*this};
    detail::trigger_state arrived_;
};

} // namespace miou
