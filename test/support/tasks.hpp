// Small tasks that many tests need.
#pragma once

#include "miou/domain.hpp"
#include "miou/promise.hpp"

#include <utility>

namespace test {

/// Runs until its task is cancelled.
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

/// Spawns a task on another domain if there is one, otherwise on this one.
template <class F>
[[nodiscard]] auto anywhere(F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) {
    const bool on_dom0 = miou::domain::self().to_int() == 0;
    const bool elsewhere = miou::domain::available() > (on_dom0 ? 0u : 1u);
    return elsewhere ? miou::call(std::forward<F>(fn), site)
                     : miou::async(std::forward<F>(fn), site);
}

} // namespace test
