// Counts the system calls of a server without making it slower. A tracer sees every one, but under
// it a server is so slow that its clients have always answered before it looks: it makes fewer.
#pragma once

#include <atomic>
#include <cstdint>

namespace bench::echo {

/// Where this process counts them; null: nowhere. All by which the servers receive and send, wait,
/// and arm what they wait for; see system_calls.cpp.
inline std::atomic<std::uint64_t>* system_calls_made = nullptr;

} // namespace bench::echo
