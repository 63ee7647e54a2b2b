#include "miou/detail/identity.hpp"

#include "miou/detail/atomic.hpp"
#include "miou/src/scheduler/scheduler.hpp"

#include <limits>
#include <stdexcept>

namespace miou::detail {
namespace {

constexpr identity range_of_one_run = tasks_of_one_run * identity_step;

// What no run has reserved. Plain threads have the range before that of the first run.
constinit atomic<identity> next_range = range_of_one_run;

} // namespace

identity reserve_task_identities() {
    identity base = next_range.load(memory_order_relaxed);
    do
        if (base > std::numeric_limits<identity>::max() - range_of_one_run)
            throw std::length_error{"miou::run: no numbers are left for the tasks of another run"};
    while (!next_range.compare_exchange_weak(base, base + range_of_one_run, memory_order_relaxed));
    return base;
}

void give_back_task_identities(identity base, std::uint64_t used) noexcept {
    identity end = base + range_of_one_run; // unless another run has begun meanwhile
    next_range.compare_exchange_strong(end, base + used * identity_step, memory_order_relaxed);
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
