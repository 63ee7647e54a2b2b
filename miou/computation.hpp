// A value that one party computes and others wait for.
#pragma once

#include "miou/cancel_scope.hpp"
#include "miou/config.hpp"
#include "miou/detail/identity.hpp"
#include "miou/detail/spinlock.hpp"
#include "miou/result.hpp"
#include "miou/trigger.hpp"

#include <boost/intrusive/list.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <unordered_map>
#include <utility>

namespace miou {
namespace detail {

/// A trigger that the completion signals. Removed in constant time.
struct attachment {
    trigger* target;
    boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
        place;
};

/// The untyped half of a computation: running, then complete for ever.
class MIOU_API completion {
public:
    /// If the computation is still running, runs `store` under the guard, completes it, signals the
    /// attached triggers, and returns true.
    template <class F>
    bool complete(F&& store) {
        std::unique_lock held{guard_};
        if (complete_.load(memory_order_relaxed))
            return false;
        store();
        complete_.store(true, memory_order_release);
        signal_all(held);
        return true;
    }
    /// Acquire pairs with the release in `complete`: the outcome is visible, and constant.
    bool is_complete() const noexcept { return complete_.load(memory_order_acquire); }

    /// Returns false if it is complete. Otherwise `a` must be removed before it is destroyed.
    bool add(attachment& a) noexcept;
    /// Returns when nobody signals the target of `a` any more; false if it was signaled.
    bool remove(attachment& a) noexcept;

    bool attach(trigger& target);
    void detach(trigger& target);
    void drop_signaled();
    /// Waits until it is complete. Returns null, or the cancellation of the running task.
    std::exception_ptr wait();

private:
    void signal_all(std::unique_lock<spinlock>& held) noexcept;
    void wait_while_signaling(std::unique_lock<spinlock>& held, const trigger& target) noexcept;

    spinlock guard_;
    atomic<bool> complete_ = false;
    trigger* signaling_ = nullptr; // taken out by the completer, not signaled yet
    identity completer_ = 0;
    boost::intrusive::list<
        attachment,
        boost::intrusive::member_hook<attachment, decltype(attachment::place), &attachment::place>,
        boost::intrusive::constant_time_size<false>>
        attached_;
    std::unordered_map<trigger*, attachment> owned_; // those that `attach` has made
};

/// While it lives, the completion of a computation cancels a scope. When it is destroyed, the scope
/// must have ended, but still live.
class MIOU_API cancel_on_completion final : wakeable {
public:
    cancel_on_completion(completion& of, cancel_scope& scope) noexcept;
    ~cancel_on_completion();
    cancel_on_completion(const cancel_on_completion&) = delete;
    cancel_on_completion& operator=(const cancel_on_completion&) = delete;

private:
    void wake() noexcept override { scope_.cancel(); }

    completion& of_;
    cancel_scope& scope_;
    trigger completed_;
    attachment place_{&completed_, {}};
};

} // namespace detail

/// A handle on a value that comes later. The first to return or cancel it completes it. Any number
/// of tasks and threads may await it. Copies name the same computation. Every member function may
/// be called on any thread, and throws `std::invalid_argument` when this was moved from. OCaml: `'a
/// Miou.Computation.t`.
template <class T>
class computation {
public:
    /// A new computation, which is running. OCaml: `Computation.create ()`.
    computation()
        : shared_{std::make_shared<shared>()} {}

    /// Completes it with `T{arguments...}`. Returns false if it was complete. Throws what the
    /// constructor throws; the computation is still running then. Does not suspend.
    template <class... Arguments>
    bool try_return(Arguments&&... arguments) const {
        if constexpr (std::is_void_v<T>)
            return complete_with([] { return result<T>{boost::system::in_place_value}; });
        else
            return complete_with([&] {
                return result<T>{boost::system::in_place_value,
                                 std::forward<Arguments>(arguments)...};
            });
    }
    /// Completes it with an exception, which must not be null.
    bool try_cancel(std::exception_ptr error) const {
        return complete_with([&] {
            return result<T>{boost::system::in_place_error, std::move(error)};
        });
    }
    /// Calls `fn(arguments...)`, and completes the computation with what that returns or throws.
    template <class F, class... Arguments>
    bool try_capture(F&& fn, Arguments&&... arguments) const {
        try {
            if constexpr (std::is_void_v<T>) {
                std::invoke(std::forward<F>(fn), std::forward<Arguments>(arguments)...);
                return try_return();
            } else {
                return try_return(
                    std::invoke(std::forward<F>(fn), std::forward<Arguments>(arguments)...));
            }
        } catch (...) {
            return try_cancel(std::current_exception());
        }
    }

    /// Whether nobody has completed it. The answer may be outdated at once.
    bool is_running() const { return !it().state.is_complete(); }
    /// The exception that it was cancelled with, or null.
    std::exception_ptr cancelled() const {
        return is_running() || it().outcome->has_value() ? nullptr : it().outcome->error();
    }
    /// Throws the exception that it was cancelled with, if it was.
    void raise_if_errored() const {
        if (const std::exception_ptr error = cancelled())
            std::rethrow_exception(error);
    }
    /// The outcome, if it is complete.
    std::optional<result<T>> peek() const {
        require_copies();
        return is_running() ? std::nullopt : it().outcome;
    }

    /// Attaches `t`, so that the completion signals it. Returns false if the computation is
    /// complete, or `t` was signaled. Detach `t` before you destroy it, unless it was signaled.
    bool try_attach(trigger& t) const { return it().state.attach(t); }
    /// Signals `t` and forgets it. Returns when nobody else touches `t` any more.
    void detach(trigger& t) const { it().state.detach(t); }
    /// Forgets the attached triggers that somebody else has signaled.
    void clean() const { it().state.drop_signaled(); }

    /// Waits until it is complete, and returns the outcome. The error may also be the cancellation
    /// of the running task. Suspends unless it is complete; cancellable. On a plain thread it
    /// blocks.
    result<T> await() const {
        require_copies();
        if (std::exception_ptr cancellation = it().state.wait())
            return {boost::system::in_place_error, std::move(cancellation)};
        return *it().outcome;
    }
    /// `await`, but throws the error.
    T await_exn() const { return await().value(); }

    // For waits for several things.
    detail::completion& untyped() const noexcept { return shared_->state; }

private:
    template <class U>
    friend class computation;
    template <class From, class Into>
    friend std::unique_ptr<trigger> canceller(const computation<From>&, const computation<Into>&);

    struct shared {
        detail::completion state;
        std::optional<result<T>> outcome; // constant once complete
    };

    shared& it() const {
        if (!shared_)
            throw std::invalid_argument{"miou: this computation was moved from"};
        return *shared_;
    }

    static constexpr void require_copies() {
        static_assert(std::is_void_v<T> || std::is_copy_constructible_v<T>,
                      "everyone who awaits a computation gets a copy of its value: "
                      "let it hold a std::shared_ptr");
    }

    template <class F>
    bool complete_with(F&& make) const {
        const auto kept = shared_; // a woken task may destroy this handle
        if (!is_running())
            return false;
        result<T> made = make(); // outside of the guard: it may run the user's code
        return kept->state.complete([&] { kept->outcome.emplace(std::move(made)); });
    }

    std::shared_ptr<shared> shared_;
};

/// A trigger to attach to `from`. When it is signaled, and `from` was cancelled, it cancels `into`
/// with the same exception. OCaml: `Computation.canceller ~from ~into`.
template <class From, class Into>
std::unique_ptr<trigger> canceller(const computation<From>& from, const computation<Into>& into) {
    auto made = std::make_unique<trigger>();
    made->on_signal([from, into] {
        if (const std::exception_ptr error = from.cancelled())
            into.try_cancel(error);
    });
    return made;
}

} // namespace miou
