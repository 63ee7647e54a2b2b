// Where a task was spawned: names tasks in messages.
#pragma once

#include <boost/assert/source_location.hpp>

#include <cstdint>

namespace miou {

/// The place in the user's source that spawned a task. Captured by a defaulted argument; 12 bytes
/// instead of the 24 of `boost::source_location`, since every task carries one.
struct spawn_site {
    const char* file = "";
    std::uint32_t line = 0;

    constexpr spawn_site() = default;
    constexpr spawn_site(const boost::source_location& at) noexcept
        : file{at.file_name()}
        , line{at.line()} {}
};

} // namespace miou
