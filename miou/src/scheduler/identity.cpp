#include "miou/detail/identity.hpp"

#include "miou/detail/atomic.hpp"
#include "miou/src/scheduler/scheduler.hpp"

namespace miou::detail {
namespace {

// 2^40 tasks a run and 2^23 runs. Plain threads have the range of run 0.
constexpr int bits_of_one_run = 41;

} // namespace

identity reserve_task_identities() noexcept {
    static constinit atomic<identity> runs = 0;
    return (runs.fetch_add(1, memory_order_relaxed) + 1) << bits_of_one_run;
}

identity identity_of_thread() noexcept {
    static constinit atomic<identity> last = 0;
    thread_local const identity mine = last.fetch_add(2, memory_order_relaxed) + 2;
    return mine;
}

identity this_identity() noexcept {
    return scheduler::identity_of_caller();
}

} // namespace miou::detail
