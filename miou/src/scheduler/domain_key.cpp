#include "miou/domain_key.hpp"

#include "miou/src/scheduler/scheduler.hpp"

namespace miou {

constinit thread_local detail::scheduler* detail::this_scheduler = nullptr;

void require_task(const char* caller) {
    detail::scheduler::current(caller);
}

} // namespace miou
