#include "miou/detail/wait_list.hpp"

#include "miou/src/scheduler/scheduler.hpp"

namespace miou::detail {

bool wait_list::wait(waiter& w) noexcept {
    if (w.home != nullptr)
        return w.home->wait(w);
    w.thread->block();
    return true;
}

} // namespace miou::detail
