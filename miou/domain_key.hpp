// For implementers of systems: which domain this is.
#pragma once

namespace miou {

/// An address that names the calling thread's domain among those of all runs that are alive; null
/// on a thread that is no domain. The same in tasks, hooks, `select`, and while `.events` makes the
/// domain's system: so that a system finds its own state, and not that of an outer run. Any thread.
const void* domain_key() noexcept;

} // namespace miou
