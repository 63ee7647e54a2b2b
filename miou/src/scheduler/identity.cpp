#include "miou/detail/identity.hpp"

#include "miou/detail/atomic.hpp"
#include "miou/src/scheduler/scheduler.hpp"

namespace miou::detail {
identity reserve_task_identities() noexcept {
    // The range of run 0 is for plain threads.
    static constinit atomic<identity> last_run = 0;
    return (last_run.fetch_add(1, memory_order_relaxed) + 1) * tasks_of_one_run * identity_step;
}

identity identity_of_thread() noexcept {
    static constinit atomic<identity> last = 0;
    thread_local const identity mine =
        last.fetch_add(identity_step, memory_order_relaxed) + identity_step;
    return mine;
}

identity this_identity() noexcept {
    return scheduler::identity_of_caller();
}

} // namespace miou::detail
