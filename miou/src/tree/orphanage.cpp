#include "miou/detail/orphanage.hpp"

#include "miou/promise.hpp"
#include "miou/src/scheduler/scheduler.hpp"
#include "miou/src/tree/cancellation.hpp"
#include "miou/src/tree/children.hpp"

#include <cassert>
#include <stdexcept>

namespace miou::detail {

void orphanage::acquire(const char* caller) {
    const scheduler& here = scheduler::current(caller);
    const std::uint64_t self = here.identity_of(here.running_task());
    std::uint64_t owner = 0;
    if (!owner_.compare_exchange_strong(owner, self, memory_order_relaxed) && owner != self)
        throw std::invalid_argument{"The given orphans is owned by another promise"};
}

void orphanage::add(task& child) noexcept {
    child.add_handle();
    child.orphans = this;
    running.push_back(child);
    length.fetch_add(1, memory_order_relaxed);
}

void orphanage::on_child_ended(task& child) noexcept {
    assert(child.orphans == this && child.ended);
    running.erase(running.iterator_to(child));
    (child.error ? failed : succeeded).push_back(child);
}

task* orphanage::take_ended() noexcept {
    task* const taken = unlink(succeeded);
    return taken ? taken : unlink(failed);
}

task* orphanage::take_any() noexcept {
    task* const taken = take_ended();
    return taken ? taken : unlink(running);
}

bool orphanage::wait() {
    scheduler& here = *this_scheduler;
    here.count_call();
    while (succeeded.empty() && failed.empty()) {
        if (running.empty())
            return false;
        here.throw_if_cancelled();
        awaited = true;
        const bool by_cancel = here.park_on_children();
        awaited = false;
        throw_unless_completed(here, by_cancel, !succeeded.empty() || !failed.empty());
    }
    return true;
}

task* orphanage::unlink(task::orphan_list& from) noexcept {
    if (from.empty())
        return nullptr;
    task& first = from.front();
    from.pop_front();
    first.orphans = nullptr;
    length.fetch_sub(1, memory_order_relaxed);
    return &first;
}

orphanage::~orphanage() {
    // Cancels all before it waits for the first, so that they unwind together.
    if (scheduler* const here = scheduler::current_or_null())
        for (task& child : running)
            if (is_child_of_running_task(*here, child))
                request_cancel(*here, child);
    while (task* const child = take_any())
        release_handle(*child);
    assert(length.load(memory_order_relaxed) == 0);
}

} // namespace miou::detail
