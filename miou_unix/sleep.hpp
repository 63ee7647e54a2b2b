// Sleeping.
#pragma once

#include "miou/config.hpp"

#include <chrono>

namespace miou_unix {

/// Parks the running task for `seconds`. Zero and negative times only let other tasks run. An
/// infinite time, or one beyond the clock, sleeps until the task is cancelled. Throws
/// `std::invalid_argument` for NaN, `miou::cancelled`, `miou::outside_of_task` and
/// `miou::no_select_provided`. Suspends; cancellable. OCaml: `Miou_unix.sleep`.
MIOU_API void sleep(double seconds);
template <class Rep, class Period>
void sleep(std::chrono::duration<Rep, Period> time) {
    sleep(std::chrono::duration<double>(time).count());
}

} // namespace miou_unix
