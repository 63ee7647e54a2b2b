#include "miou/domain.hpp"

#include "miou/src/scheduler/scheduler.hpp"

namespace miou::domain {

using detail::scheduler;

domain_uid self() {
    return scheduler::current("miou::domain::self").uid();
}

std::size_t available() {
    return scheduler::current("miou::domain::available").run_of().domains.size() - 1;
}

std::vector<domain_uid> all() {
    std::vector<domain_uid> uids;
    for (const scheduler* each : scheduler::current("miou::domain::all").run_of().domains)
        if (each->uid().to_int() != 0)
            uids.push_back(each->uid());
    return uids;
}

} // namespace miou::domain
