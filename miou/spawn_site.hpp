// Where a task was spawned. Names the task in messages.
#pragma once

#include "miou/config.hpp"

#include <boost/assert/source_location.hpp>

#include <cstdint>

namespace miou {

/// The place in the user's source that spawned a task. A default argument captures it. Smaller than
/// `boost::source_location`, because every task has one.
struct spawn_site {
    const char* file = "";
    std::uint32_t line = 0;

    constexpr spawn_site() = default;
    constexpr spawn_site(const boost::source_location& at) noexcept
        : file{at.file_name()}
        , line{at.line()} {}
};

} // namespace miou
