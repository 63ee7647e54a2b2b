// A run of miou_unix over as many domains as the suite was started with.
#pragma once

#include "support/domains.hpp"

#include "miou_unix/run.hpp"

#include <utility>

namespace test {

template <class F>
auto on_reactor(F fn) {
    return miou_unix::run({.domains = domains()}, std::move(fn));
}

} // namespace test
