// A value that is computed by the first task that needs it.
#pragma once

#include "miou/condition.hpp"
#include "miou/errors.hpp"
#include "miou/promise.hpp"
#include "miou/result.hpp"
#include "miou/unique_function.hpp"

#include <functional>
#include <optional>
#include <utility>

namespace miou {

/// Forced from any task on any domain, and computed once: the others wait for it. Shared by
/// reference. OCaml: `'a Miou.Lazy.t`.
template <class T>
class lazy {
public:
    /// Already forced. OCaml: `Lazy.from_val`.
    static lazy from_val(T value) { return lazy{result<T>{std::move(value)}}; }
    /// Computed by `fn()` when it is first forced. OCaml: `Lazy.from_fun`.
    static lazy from_fun(unique_function<T()> fn) { return lazy{std::move(fn)}; }

    lazy(const lazy&) = delete;
    lazy& operator=(const lazy&) = delete;

    /// The value, which lives as long as this, or throws what the computation threw, each time.
    /// A computation that ends because its task was cancelled does not count: the next one to force
    /// runs it again. Throws `undefined` from within its own computation, and `cancelled`. Suspends
    /// while another task computes; cancellable. On a plain thread it blocks.
    const T& force() {
        if (!forced_.load(detail::memory_order_acquire)) // pairs with the release in `settle`
            compute_or_wait();
        return outcome_->value();
    }

private:
    explicit lazy(result<T> known)
        : outcome_{std::move(known)}
        , forced_{true} {}
    explicit lazy(unique_function<T()> fn)
        : fn_{std::move(fn)} {}

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
            settle(result<T>{boost::system::in_place_value, fn_()});
        } catch (...) {
            if (detail::cancellation_due()) {
                settle(std::nullopt);
                throw;
            }
            settle(result<T>{boost::system::in_place_error, std::current_exception()});
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

} // namespace miou
