#include "miou/ownership.hpp"

#include "miou/detail/scheduler.hpp"

#include <stdexcept>
#include <string>

namespace miou {
namespace {

using detail::scheduler;
using detail::task;

task* owner_of(const detail::resource& r) noexcept {
    return r.owner.load(detail::memory_order_relaxed);
}

/// The running task, which must own `r`.
task& require_owner(const detail::resource& r, const char* caller) {
    task& self = scheduler::of_running_task(caller).current();
    if (owner_of(r) != &self)
        throw not_owner{std::string{caller} + ": " + self.describe() +
                        " does not own the resource"};
    return self;
}

} // namespace

void ownership::own() const {
    task& self = scheduler::of_running_task("miou::ownership::own").current();
    const task* const owner = owner_of(*resource_);
    if (owner == &self)
        throw std::invalid_argument{"The current promise already holds the resource given"};
    if (owner != nullptr)
        throw not_owner{"miou::ownership::own: another task owns the resource"};
    resource_->attach_to(self);
}

void ownership::disown() const {
    require_owner(*resource_, "miou::ownership::disown");
    resource_->detach();
}

void ownership::release() const {
    require_owner(*resource_, "miou::ownership::release");
    resource_->detach()->finalise();
}

void ownership::transfer() const {
    task& self = require_owner(*resource_, "miou::ownership::transfer");
    if (self.parent == nullptr)
        throw std::invalid_argument{"The current promise has no parent, so it is impossible to "
                                    "transfer a resource"};
    auto kept = resource_->detach();
    if (self.parent->home == self.home) {
        kept->attach_to(*self.parent);
        return;
    }
    detail::resource& sent = *kept;
    sent.destination = self.parent;
    sent.in_transit = std::move(kept);
    self.parent->home->send(sent); // arrives before the end of this task does
}

void ownership::check() const {
    require_owner(*resource_, "miou::ownership::check");
}

void ownership::require_givable(const char* caller) const {
    if (owner_of(*resource_) != nullptr)
        require_owner(*resource_, caller);
}

void ownership::give_to(detail::task& child) const {
    if (owner_of(*resource_) != nullptr)
        resource_->detach();
    resource_->attach_to(child);
}

} // namespace miou
