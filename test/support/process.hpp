// What the kernel says of this process.
#pragma once

#include <chrono>
#include <cstddef>

namespace test {

/// Threads that exist now.
std::size_t live_threads();
/// Descriptors that are open now.
std::size_t open_descriptors();
/// Resident memory, in bytes.
std::size_t resident_bytes();
/// Memory mappings.
std::size_t mappings();
/// The processor time that it has used.
std::chrono::nanoseconds processor_time();
/// What it does on signal `number`.
void (*installed(int number))(int);

} // namespace test
