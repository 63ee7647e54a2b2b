// Functions that block or compute for long, on threads beside the domains.
#pragma once

#include "miou/unique_function.hpp"

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace miou_unix {
namespace detail {

/// Runs `fn` on a worker thread and waits until it has ended, also when the caller is cancelled
/// after `fn` has begun. So `fn` may refer to the caller's stack.
void run_on_worker(miou::unique_function<void()> fn, const char* caller);
/// Same, on the threads that ask for names, but a cancelled caller does not wait: `fn` must own
/// everything that it touches.
void ask_on_worker(miou::unique_function<void()> fn, const char* caller);

} // namespace detail

/// Runs `fn`, which may block or compute for long, on a plain thread and returns what it returns or
/// throws what it throws; only the running task waits. For calls that have no asynchronous form:
/// regular files, `getpwnam`, a compression, a database's blocking library. `fn` may refer to the
/// caller's locals, but is outside of tasks: what needs one throws `miou::outside_of_task` there.
///
/// The threads belong to the run: `.workers` of its options at most, each started when a call finds
/// the others busy, gone when `run` returns. `fn` runs with the signal mask of the caller's thread:
/// a program that it starts inherits that. When all are busy, calls wait in a queue; they must not
/// wait for each other.
///
/// Suspends. Cancellable while it waits in the queue: `fn` then never runs, and `miou::cancelled`
/// is thrown. One that has begun cannot be interrupted: the call waits and returns its outcome.
/// Throws `miou::outside_of_task`, `miou::no_select_provided`, and `std::system_error` when there
/// is no thread and none can be started. No OCaml counterpart.
template <class F>
auto blocking(F&& fn) {
    using value = std::decay_t<std::invoke_result_t<F>>;
    constexpr const char* caller = "miou_unix::blocking";
    if constexpr (std::is_void_v<value>) {
        detail::run_on_worker([&] { std::invoke(std::forward<F>(fn)); }, caller);
    } else {
        std::optional<value> returned;
        detail::run_on_worker([&] { returned.emplace(std::invoke(std::forward<F>(fn))); }, caller);
        return std::move(*returned);
    }
}

} // namespace miou_unix
