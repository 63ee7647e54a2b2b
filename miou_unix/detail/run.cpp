#include "miou_unix/run.hpp"

#include "miou_unix/detail/reactor.hpp"
#include "miou_unix/detail/worker_pool.hpp"

#include <memory>

namespace miou_unix::detail {

miou::run_options with_reactor(const run_options& chosen) {
    return {.quanta = chosen.quanta,
            .poll = chosen.poll,
            .g = chosen.g,
            .domains = chosen.domains,
            .unguarded = chosen.unguarded,
            .events = [workers = std::make_shared<worker_pools>(workers_wanted(chosen.workers))](
                          miou::domain_uid domain) { return reactor::make(domain, workers); }};
}

} // namespace miou_unix::detail
