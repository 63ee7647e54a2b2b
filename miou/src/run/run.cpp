#include "miou/run.hpp"

#include "miou/setting.hpp"
#include "miou/src/run/domains.hpp"
#include "miou/src/scheduler/random.hpp"

#include <algorithm>
#include <thread>

namespace miou::detail {
namespace {

constexpr setting quanta{"miou::run", ".quanta", "MIOU_QUANTA", 1, 1'000'000'000};
constexpr setting poll{"miou::run", ".poll", "MIOU_POLL", 1, 1'000'000'000};
constexpr setting domains{"miou::run", ".domains", "MIOU_DOMAINS", 0, 1023};
// For the tests of older kernels. It has no option, because no program needs it.
constexpr setting mprotect{"miou::run", nullptr, "MIOU_MPROTECT", 0, 1};

constexpr unsigned default_quanta = 32;
// A poll costs about as much as thirty switches; see docs/design/system.md.
constexpr unsigned default_poll = 64;

unsigned default_domains() {
    return std::max(1u, std::thread::hardware_concurrency()) - 1;
}

} // namespace

void run_root(run_options options, task& root) {
    const run_settings settings{
        .quanta = quanta.value(options.quanta, default_quanta),
        .poll = poll.value(options.poll, default_poll),
        .seed = options.g ? *options.g : random_stream::fresh_seed(),
        .domains = domains.value(options.domains, default_domains()),
        .guards = {.by_mprotect = mprotect.value({}, 0) != 0, .may_lack = options.unguarded},
    };
    run_domains(settings, std::move(options.events), root);
}

} // namespace miou::detail
