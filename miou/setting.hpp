// For implementers of systems: numbers that configure a run.
#pragma once

#include <optional>

namespace miou::detail {

/// A number that an option of a run function or a variable of the environment chooses.
struct setting {
    const char* caller;   // the run function, for messages: "miou::run"
    const char* option;   // its option, for messages: ".quanta"
    const char* variable; // of the environment: "MIOU_QUANTA"
    unsigned least;
    unsigned most;

    /// `chosen`, or what the environment says, or `fallback`. Throws `std::invalid_argument` when
    /// one of the first two is no number from `least` to `most`: also a bad variable that `chosen`
    /// would override.
    unsigned value(std::optional<int> chosen, unsigned fallback) const;
};

} // namespace miou::detail
