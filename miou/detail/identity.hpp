// A number for the holder of a lock, be it a task or a plain thread.
#pragma once

#include "miou/config.hpp"

#include <cstdint>

namespace miou::detail {

/// A multiple of `identity_step`, never 0, unique among all tasks and threads of the process, never
/// reused.
using identity = std::uint64_t;

inline constexpr identity identity_step = 4; // a lock has its flags in the lower bits
inline constexpr identity tasks_of_one_run = identity{1} << 40;

/// Reserves identities for a run: the base to which it adds the number of a task, times
/// `identity_step`. Throws `std::length_error` if there are no more.
identity reserve_task_identities();
/// Ends a run whose tasks had the numbers below `used`.
void give_back_task_identities(identity base, std::uint64_t used) noexcept;

/// The identity of the calling thread, whether it runs a task or not.
identity identity_of_thread() noexcept;

/// The identity of the running task, or of the calling thread outside of tasks.
MIOU_API identity this_identity() noexcept;

} // namespace miou::detail
