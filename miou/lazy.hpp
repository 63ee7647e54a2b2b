// A value that is computed by the first task that needs it.
#pragma once

#include "miou/condition.hpp"
#include "miou/errors.hpp"
#include "miou/promise.hpp"
#include "miou/result.hpp"
#include "miou/unique_function.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace miou {

/// A value that is computed once, when it is first forced. Any task on any domain may force it; the
/// others wait while one computes. Share it by reference, and move it only while nobody forces it.
/// `lazy<void>` is an action that is done once. OCaml: `'a Miou.Lazy.t`.
template <class T>
class lazy {
    using reference =
        std::conditional_t<std::is_void_v<T>, void, std::add_lvalue_reference_t<const T>>;

public:
    /// Already forced. OCaml: `Lazy.from_val`.
    template <class U = T>
    requires std::is_constructible_v<T, U>
    static lazy from_val(U&& value) {
        return of(result<T>{boost::system::in_place_value, std::forward<U>(value)});
    }
    static lazy from_val()
    requires std::is_void_v<T>
    {
        return of(result<T>{boost::system::in_place_value});
    }
    /// Computed by `fn()` when it is first forced. OCaml: `Lazy.from_fun`.
    static lazy from_fun(unique_function<T()> fn) { return of(std::move(fn)); }

    /// Returns the value, which lives as long as this, or throws the exception of the computation,
    /// each time. A computation that ends because its task, or a scope around the call, was
    /// cancelled does not count: the next caller runs it again. Throws `undefined` from within its
    /// own computation, `cancelled`, and `std::invalid_argument` if this was moved from. Suspends
    /// while another task computes; cancellable. On a plain thread it blocks.
    reference force() {
        if (!state_)
            throw std::invalid_argument{"miou::lazy: this was moved from"};
        return state_->force();
    }

private:
    class state {
    public:
        explicit state(result<T> known)
            : outcome_{std::move(known)}
            , forced_{true} {}
        explicit state(unique_function<T()> fn)
            : fn_{std::move(fn)} {}

        reference force() {
            if (!forced_.load(detail::memory_order_acquire)) // pairs with the release in `settle`
                compute_or_wait();
            return outcome_->value();
        }

    private:
        void compute_or_wait() {
            const detail::identity self = detail::this_identity();
            {
                std::unique_lock held{guard_};
                if (computing_ == self)
                    throw undefined{"miou::lazy: forced from within its own computation"};
                changed_.wait(held, [this] { return computing_ == 0; });
                if (outcome_)
                    return;
                computing_ = self;
            }
            try {
                settle(compute());
            } catch (...) {
                if (detail::cancellation_due()) {
                    settle(std::nullopt);
                    throw;
                }
                settle(result<T>{boost::system::in_place_error, std::current_exception()});
            }
        }

        result<T> compute() {
            if constexpr (std::is_void_v<T>) {
                fn_();
                return {boost::system::in_place_value};
            } else {
                return {boost::system::in_place_value, fn_()};
            }
        }

        void settle(std::optional<result<T>> outcome) {
            const auto lock = [this] { guard_.lock(); };
            if (detail::in_task())
                uncancellable(lock);
            else
                lock();
            const std::unique_lock held{guard_, std::adopt_lock};
            computing_ = 0;
            if (outcome) {
                outcome_ = std::move(outcome);
                fn_ = nullptr;
                forced_.store(true, detail::memory_order_release);
            }
            changed_.broadcast();
        }

        mutex guard_;
        condition changed_;
        detail::identity computing_ = 0;
        unique_function<T()> fn_;
        std::optional<result<T>> outcome_; // constant once `forced_`
        detail::atomic<bool> forced_ = false;
    };

    template <class From>
    static lazy of(From from) {
        lazy made;
        made.state_ = std::make_unique<state>(std::move(from));
        return made;
    }
    lazy() noexcept = default;

    std::unique_ptr<state> state_;
};

} // namespace miou
