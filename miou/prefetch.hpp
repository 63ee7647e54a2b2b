// For implementers of systems: fetches memory into the cache before it is touched.
#pragma once

#include "miou/config.hpp"

#include <cstdint>

namespace miou {

/// Fetches `Lines` cache lines, from `address` on, into the cache: for `events` of your own that
/// wake many tasks one after another. The address need not be valid: nothing changes, and nothing
/// can fail. Throws nothing. Any thread. Does not suspend. No OCaml counterpart.
///
/// Always inlined: gcc takes a call to it for one without effect.
template <int Lines>
[[gnu::always_inline]] inline void prefetch_lines(std::uintptr_t address) noexcept {
    for (std::uintptr_t line = 0; line < Lines; ++line)
        __builtin_prefetch(reinterpret_cast<const void*>(address + 64 * line));
}

/// The same for a pointer.
template <int Lines>
[[gnu::always_inline]] inline void prefetch_lines(const void* from) noexcept {
    prefetch_lines<Lines>(reinterpret_cast<std::uintptr_t>(from));
}

} // namespace miou
