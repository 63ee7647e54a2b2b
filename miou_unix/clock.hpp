// Time.
#pragma once

#include "miou/config.hpp"

#include <chrono>

namespace miou_unix {

/// The clock of timers: the only one that miou_unix reads.
using clock = std::chrono::steady_clock;

/// `seconds` from now, or at most the largest time of the clock. Not for NaN. Any thread.
MIOU_API clock::time_point deadline_in(double seconds);

} // namespace miou_unix
