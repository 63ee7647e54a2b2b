// A run of miou_unix with as many domains as the test is to have.
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
