// Counts the allocations of the whole process, by replacing glibc's allocation functions. Include
// it in one file of a program. The sanitizers replace these functions themselves: under them
// nothing is counted, and the tests only show that their loops work.
#pragma once

#include "support/sanitized.hpp"

#include <atomic>
#include <cstddef>

namespace test {

inline std::atomic<std::size_t> allocations = 0;

/// How many allocations all threads make while `fn` runs.
template <class F>
std::size_t allocations_of(F&& fn) {
    const std::size_t before = allocations.load();
    fn();
    return allocations.load() - before;
}

inline void count_allocation() noexcept {
    allocations.fetch_add(1, std::memory_order_relaxed);
}

} // namespace test

#if !TEST_SANITIZED
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
    test::count_allocation();
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
    test::count_allocation();
    return __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) {
    test::count_allocation();
    return __libc_realloc(block, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    test::count_allocation();
    return __libc_memalign(alignment, size);
}
}
#endif
