// What the kernel knows about this process.
#pragma once

#include <chrono>
#include <cstddef>

namespace test {

/// How many threads exist now, without those that have begun to exit.
std::size_t live_threads();
/// How many descriptors are open now.
std::size_t open_descriptors();
/// Resident memory, in bytes.
std::size_t resident_bytes();
/// How many memory mappings there are.
std::size_t mappings();
/// The processor time of all threads so far.
std::chrono::nanoseconds processor_time();
/// The handler that is installed for signal `number`.
void (*installed(int number))(int);

} // namespace test
