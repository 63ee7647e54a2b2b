// Small tasks that many tests need.
#pragma once

#include "miou/domain.hpp"
#include "miou/promise.hpp"

#include <utility>

namespace test {

/// Ends only by being cancelled.
[[noreturn]] inline void forever() {
    for (;;)
        miou::yield();
}

/// Lets others run until `holds()`.
template <class Predicate>
void yield_until(Predicate holds) {
    while (!holds())
        miou::yield();
}

/// Spawns on another domain if there is one, else on this one.
template <class F>
[[nodiscard]] auto anywhere(F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) {
    const bool on_dom0 = miou::domain::self().to_int() == 0;
    const bool elsewhere = miou::domain::available() > (on_dom0 ? 0u : 1u);
    return elsewhere ? miou::call(std::forward<F>(fn), site)
                     : miou::async(std::forward<F>(fn), site);
}

} // namespace test
