// A callable that may be move-only (std::move_only_function is C++23).
#pragma once

#include "miou/config.hpp"

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace miou {

template <class Signature>
class unique_function;

/// Owns one callable, copyable or not. Empty when default-constructed or moved from; calling an
/// empty one throws `std::bad_function_call`.
template <class R, class... Args>
class unique_function<R(Args...)> {
public:
    unique_function() noexcept = default;
    unique_function(std::nullptr_t) noexcept {}

    template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, unique_function> &&
             std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
    unique_function(F&& fn)
        : target_{std::make_unique<holder<std::decay_t<F>>>(std::forward<F>(fn))} {}

    explicit operator bool() const noexcept { return target_ != nullptr; }

    R operator()(Args... args) {
        if (!target_)
            throw std::bad_function_call{};
        return target_->call(std::forward<Args>(args)...);
    }

private:
    struct base {
        virtual ~base() = default;
        virtual R call(Args...) = 0;
    };
    template <class F>
    struct holder final : base {
        template <class G>
        explicit holder(G&& fn)
            : fn_(std::forward<G>(fn)) {}
        R call(Args... args) override {
            if constexpr (std::is_void_v<R>)
                std::invoke(fn_, std::forward<Args>(args)...);
            else
                return std::invoke(fn_, std::forward<Args>(args)...);
        }
        F fn_;
    };

    std::unique_ptr<base> target_;
};

} // namespace miou
