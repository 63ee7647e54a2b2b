#include "miou/hook.hpp"

#include "miou/src/scheduler/scheduler.hpp"

#include <stdexcept>

namespace miou {

hook hook::add(unique_function<void()> fn) {
    return hook{detail::scheduler::current("miou::hook::add").add_hook(std::move(fn))};
}

void hook::remove() const {
    if (!entry_)
        throw std::invalid_argument{"miou: this hook was moved from"};
    if (entry_->home != detail::this_scheduler)
        throw std::invalid_argument{"The hook does not belong into the current domain"};
    entry_->removed = true;
}

} // namespace miou
