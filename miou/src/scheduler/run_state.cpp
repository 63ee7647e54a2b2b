#include "miou/src/scheduler/run_state.hpp"

#include "miou/detail/identity.hpp"
#include "miou/src/scheduler/scheduler.hpp"

#include <algorithm>
#include <thread>

namespace miou::detail {

run_state::run_state(const run_settings& chosen, task& main_task)
    : settings{chosen}
    , root{main_task}
    , identity_base{reserve_task_identities()}
    , may_spin{chosen.domains > 0 && chosen.domains < std::thread::hardware_concurrency()}
    , domains(chosen.domains + 1) {}

run_state::~run_state() {
    give_back_task_identities(identity_base, end_of_numbers_);
}

void run_state::note_task_numbers(std::uint64_t end) noexcept {
    const std::scoped_lock lock{guard_};
    end_of_numbers_ = std::max(end_of_numbers_, end);
}

void run_state::fail(std::exception_ptr cause) noexcept {
    {
        const std::scoped_lock lock{guard_};
        if (failure_)
            return;
        failure_ = std::move(cause);
        failed_.store(true, memory_order_relaxed);
    }
    root.send_cancellation();
}

} // namespace miou::detail
