// For implementers of systems: which domain this is, and whether the caller is a task.
#pragma once

#include "miou/config.hpp"

namespace miou {

namespace detail {
class scheduler;
/// The scheduler of the calling thread, or null. Tasks never migrate, so a compiler may keep its
/// value or its address over a suspension. `initial-exec`, because it is read at every call:
/// reading it needs no function call, even in position-independent code.
MIOU_API extern constinit thread_local scheduler* this_scheduler [[gnu::tls_model("initial-exec")]];
} // namespace detail

/// An address that names the calling thread's domain among those of all living runs. Null on a
/// thread that is no domain. It is the same in tasks, hooks, `select`, and while `.events` makes
/// the domain's system. So a system finds its own state, and not that of an outer run. Any thread.
inline const void* domain_key() noexcept {
    return detail::this_scheduler;
}

/// Throws `outside_of_task`, naming `caller`, unless a task calls it: on a plain thread, and in a
/// hook or a `select`, which cannot suspend. Any thread.
MIOU_API void require_task(const char* caller);

} // namespace miou
