// How many domains the tests run on.
#pragma once

#include <algorithm>
#include <cstdlib>

namespace test {

/// How many domains a test runs beside dom0: `MIOU_DOMAINS`, which Meson sets to 0, 1 and 3 in
/// turn.
inline int domains() {
    const char* value = std::getenv("MIOU_DOMAINS");
    return value ? std::atoi(value) : 1;
}

/// `domains()`, but no fewer than `least`.
inline int at_least(int least) {
    return std::max(least, domains());
}

} // namespace test
