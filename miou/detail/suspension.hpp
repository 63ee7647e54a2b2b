// The state that a syscall and its signals share.
#pragma once

#include "miou/detail/trigger_state.hpp"

#include <cstdint>
#include <string>

namespace miou::detail {

class scheduler;

/// A suspension point of one task. Immutable, except for `state`, which only its domain changes.
struct suspension {
    std::uint64_t uid;
    std::uint64_t task; // an identity
    scheduler* home;    // compared, never followed: the run may be over
    std::string name;
    trigger_state state;
};

} // namespace miou::detail
