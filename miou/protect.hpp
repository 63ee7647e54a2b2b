// Clean-up that tells cancellation from other ends.
#pragma once

#include "miou/errors.hpp"
#include "miou/promise.hpp"
#include "miou/unique_function.hpp"

#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace miou {

/// The clean-ups that `protect` runs when its function has ended. Both may be left out.
struct protection {
    unique_function<void()> on_cancellation = {};
    unique_function<void(bool cancelled)> finally = {};
};

/// Runs `fn`. Then runs `on_cancellation()`, if `fn` ended by a cancellation. Then runs
/// `finally(cancelled)` in any case. Returns what `fn` returned, or throws what it threw. Both
/// clean-ups may suspend, and are not cancellable.
///
/// If a clean-up throws, throws `finally_raised` or `on_cancellation_raised` in place of what `fn`
/// threw; the first one, if both do. Throws `outside_of_task`. OCaml: `Miou.protect
/// ~on_cancellation ~finally fn`.
template <class F>
auto protect(protection cleanup, F&& fn) -> std::invoke_result_t<F> {
    const auto finally = [&](bool was_cancelled) {
        try {
            if (cleanup.finally)
                uncancellable([&] { cleanup.finally(was_cancelled); });
        } catch (...) {
            throw finally_raised{std::current_exception()};
        }
    };
    const auto on_cancellation = [&] {
        try {
            if (cleanup.on_cancellation)
                uncancellable([&] { cleanup.on_cancellation(); });
        } catch (...) {
            throw on_cancellation_raised{std::current_exception()};
        }
    };
    const auto run = [&]() -> std::invoke_result_t<F> {
        try {
            return std::invoke(std::forward<F>(fn));
        } catch (const cancelled&) {
            try {
                on_cancellation();
            } catch (...) {
                try {
                    finally(true);
                } catch (const finally_raised&) { // the first failure is reported
                }
                throw;
            } finally(true);
            throw;
        } catch (...) {
            finally(false);
            throw;
        }
    };
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
        run();
        finally(false);
    } else {
        std::invoke_result_t<F> value = run();
        finally(false);
        return value;
    }
}

} // namespace miou
