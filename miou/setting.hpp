// For implementers of systems: numbers that configure a run.
#pragma once

#include "miou/config.hpp"

#include <optional>

namespace miou::detail {

/// A number that an option of a run function or an environment variable sets.
struct MIOU_API setting {
    const char* caller;   // the run function, for messages: "miou::run"
    const char* option;   // its option, for messages: ".quanta"
    const char* variable; // the environment variable: "MIOU_QUANTA"
    unsigned least;
    unsigned most;

    /// `chosen`, or the value of the variable, or `fallback`. Throws `std::invalid_argument` if one
    /// of the first two is not a number from `least` to `most`, even if `chosen` overrides a bad
    /// variable.
    unsigned value(std::optional<int> chosen, unsigned fallback) const;
};

} // namespace miou::detail
