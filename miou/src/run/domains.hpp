// The threads of a run.
#pragma once

#include "miou/events.hpp"
#include "miou/src/scheduler/run_state.hpp"
#include "miou/unique_function.hpp"

namespace miou::detail {

/// Runs `root` to its end, on dom0, which is the calling thread, and on `settings.domains` further
/// threads. When this returns or throws, every task has been unwound, every finaliser has run, and
/// every thread is joined. Throws the first broken rule, what `make_events` throws, or
/// `std::system_error` when a thread cannot be started. `root` keeps its outcome.
void run_domains(const run_settings& settings, unique_function<events(domain_uid)> make_events,
                 task& root);

} // namespace miou::detail
