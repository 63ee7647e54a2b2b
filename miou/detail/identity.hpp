// One number for the holder of a lock, whether a task or a plain thread.
#pragma once

#include <cstdint>

namespace miou::detail {

/// Even, never 0, unique among all tasks and threads of the process, never reused.
using identity = std::uint64_t;

/// The base to which a run adds twice the numbers of its tasks.
identity reserve_task_identities() noexcept;

/// Of the calling thread, whatever it runs.
identity identity_of_thread() noexcept;

/// Of the running task, or of the calling thread outside of tasks.
identity this_identity() noexcept;

} // namespace miou::detail
