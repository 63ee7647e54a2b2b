// Calls that end when the program is asked to stop.
#pragma once

#include "miou/cancel_scope.hpp"
#include "miou_unix/stop_request.hpp"

#include <utility>

namespace miou_unix {

/// Calls `fn` in the running task. Once `stop` is made, each suspension of the task inside of `fn`
/// throws `miou::cancelled`. Returns the value of `fn` as an optional (`true` for void), which is
/// empty (`false`) if the stop has ended `fn`. So an idle connection ends at once:
///
///     while (const auto request = until(stop, [&] { return read_request(connection); }))
///         answer(*request); // in its own time
///
/// A call inside of `fn` that has completed returns its value. Otherwise like
/// `miou::cancel_scope::run`. No OCaml counterpart.
template <class F>
auto until(const stop_request& stop, F&& fn) {
    miou::cancel_scope scope;
    const miou::detail::cancel_on_completion link{stop.computation().untyped(), scope};
    return scope.run(std::forward<F>(fn));
}

} // namespace miou_unix
