#include "miou_unix/run.hpp"

#include "miou_unix/reactor.hpp"

namespace miou_unix::detail {

miou::run_options with_reactor(const run_options& chosen) {
    return {.quanta = chosen.quanta,
            .g = chosen.g,
            .domains = chosen.domains,
            .events = [](miou::domain_uid domain) { return reactor::make(domain); }};
}

} // namespace miou_unix::detail
