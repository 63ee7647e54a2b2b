// How many domains the tests run on.
#pragma once

#include <algorithm>
#include <cstdlib>

namespace test {

/// What the suite was started with: `MIOU_DOMAINS`, which Meson sets to 0, 1 and 3 in turn.
inline int domains() {
    const char* value = std::getenv("MIOU_DOMAINS");
    return value ? std::atoi(value) : 1;
}

/// The same, but enough for a test that needs `least` of them.
inline int at_least(int least) {
    return std::max(least, domains());
}

} // namespace test
