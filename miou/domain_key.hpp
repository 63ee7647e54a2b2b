// For implementers of systems: which domain this is, and whether a task calls.
#pragma once

namespace miou {

namespace detail {
class scheduler;
/// The domain that the calling thread is, or null. Tasks never migrate, so that caching its value
/// or its address over a suspension is safe. `initial-exec`: read at every call, without a function
/// call even in position-independent code.
extern constinit thread_local scheduler* this_scheduler [[gnu::tls_model("initial-exec")]];
} // namespace detail

/// An address that names the calling thread's domain among those of all runs that are alive; null
/// on a thread that is no domain. The same in tasks, hooks, `select`, and while `.events` makes the
/// domain's system: so that a system finds its own state, and not that of an outer run. Any thread.
inline const void* domain_key() noexcept {
    return detail::this_scheduler;
}

/// Throws `outside_of_task`, naming `caller`, unless a task calls: on a plain thread, and in a hook
/// or a `select`, which cannot suspend. Any thread.
void require_task(const char* caller);

} // namespace miou
