// For implementers of systems: memory that is fetched into the cache before it is touched.
#pragma once

#include <cstdint>

namespace miou {

/// Fetches `Lines` cache lines from `address` on, for events of your own that
/// wake many tasks one after the other. The address need not be valid: nothing changes,
/// nothing can fail. Throws nothing; any thread; does not suspend. Miou has no such function.
///
/// Always in line: a call to it is one without effect to gcc.
template <int Lines>
[[gnu::always_inline]] inline void prefetch_lines(std::uintptr_t address) noexcept {
    for (int line = 0; line < Lines; ++line)
        __builtin_prefetch(reinterpret_cast<const void*>(address + std::uintptr_t{64} * line));
}

/// Same.
template <int Lines>
[[gnu::always_inline]] inline void prefetch_lines(const void* from) noexcept {
    prefetch_lines<Lines>(reinterpret_cast<std::uintptr_t>(from));
}

} // namespace miou
