// Functions that block or compute for long, on threads beside the domains.
#pragma once

#include "miou/config.hpp"
#include "miou/unique_function.hpp"

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace miou_unix {
namespace detail {

/// Runs `fn` on a worker thread and waits until it has ended, even if the caller is cancelled after
/// `fn` has begun. So `fn` may refer to the caller's stack.
MIOU_API void run_on_worker(miou::unique_function<void()> fn, const char* caller);
/// The same on the threads that resolve names, but a cancelled caller does not wait. So `fn` must
/// own everything that it touches.
MIOU_API void ask_on_worker(miou::unique_function<void()> fn, const char* caller);

} // namespace detail

/// Runs `fn`, which may block or compute for long, on a plain thread. Returns what it returns, or
/// throws what it throws. Only the running task waits. For calls that have no asynchronous form:
/// regular files, `getpwnam`, a compression, a database's blocking library. `fn` may refer to the
/// caller's locals, but is outside of tasks: what needs a task throws `miou::outside_of_task`
/// there.
///
/// The threads belong to the run, and are gone when `run` returns. There are at most `.workers` of
/// its options; each is started when a call finds the others busy. When all are busy, calls wait in
/// a queue, so they must not wait for each other. `fn` runs with the signal mask of the caller's
/// thread, and programs that it starts inherit that mask.
///
/// Suspends. Cancellable while it waits in the queue: then `fn` never runs, and `miou::cancelled`
/// is thrown. Once `fn` has begun, the call waits for it and returns its outcome. Throws
/// `miou::outside_of_task`, `miou::no_select_provided`, and `std::system_error` when there is no
/// thread and none can be started. No OCaml counterpart.
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
