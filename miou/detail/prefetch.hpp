#pragma once

#include <cstdint>

namespace miou::detail {

/// Brings `Lines` lines of the cache from `address` on near. It need not be valid: nothing changes,
/// nothing can fail. Always in line: a call to it looks to gcc like one without effect.
template <int Lines>
[[gnu::always_inline]] inline void prefetch_lines(std::uintptr_t address) noexcept {
    for (int line = 0; line < Lines; ++line)
        __builtin_prefetch(reinterpret_cast<const void*>(address + std::uintptr_t{64} * line));
}
template <int Lines>
[[gnu::always_inline]] inline void prefetch_lines(const void* from) noexcept {
    prefetch_lines<Lines>(reinterpret_cast<std::uintptr_t>(from));
}

} // namespace miou::detail
