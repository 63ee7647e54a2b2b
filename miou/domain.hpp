// The domains of a run.
#pragma once

#include "miou/config.hpp"
#include "miou/events.hpp"

#include <cstddef>
#include <vector>

/// OCaml: `Miou.Domain`. Every function needs a running task (`outside_of_task`). None suspends.
namespace miou::domain {

/// The domain that the running task lives on; 0 is dom0, the thread that called `run`.
MIOU_API domain_uid self();
/// The number of domains that `call` may use: all but dom0.
MIOU_API std::size_t available();
/// The domains that `call` may use: all but dom0.
MIOU_API std::vector<domain_uid> all();

} // namespace miou::domain
