#include "miou/detail/wait_list.hpp"

#include "miou/src/scheduler/scheduler.hpp"

namespace miou::detail {

waiter::waiter(scheduler* here, identity self) noexcept
    : home{here}
    , who{self}
    , party{here != nullptr ? static_cast<wakeable*>(&here->running_task()) : &thread.emplace()} {}

bool wait_list::wait(waiter& w) noexcept {
    if (w.home != nullptr)
        return w.home->wait(w);
    w.thread->block();
    return true;
}

} // namespace miou::detail
