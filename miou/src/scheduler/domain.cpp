#include "miou/domain.hpp"

#include "miou/src/scheduler/scheduler.hpp"

namespace miou::domain {

using detail::scheduler;

domain_uid self() {
    return scheduler::of_running_task("miou::domain::self").uid();
}

std::size_t available() {
    return scheduler::of_running_task("miou::domain::available").run_of().domains.size() - 1;
}

std::vector<domain_uid> all() {
    std::vector<domain_uid> uids;
    for (const scheduler* each : scheduler::of_running_task("miou::domain::all").run_of().domains)
        if (each->uid().to_int() != 0)
            uids.push_back(each->uid());
    return uids;
}

} // namespace miou::domain
