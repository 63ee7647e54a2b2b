#include "miou/ownership.hpp"

#include "miou/src/scheduler/scheduler.hpp"

#include <stdexcept>
#include <string>

namespace miou {
namespace {

using detail::scheduler;
using detail::task;

[[noreturn]] void refuse(const detail::resource& r, const task& self, const std::string& message) {
    detail::this_scheduler->record<trace::not_owner>(r, self);
    throw not_owner{message};
}

/// The running task, which must own `r`.
task& require_owner(const detail::resource& r, const char* caller) {
    task& self = scheduler::current(caller).running_task();
    if (!r.is_owned_by(self))
        refuse(r, self,
               std::string{caller} + ": " + self.describe() + " does not own the resource");
    return self;
}

} // namespace

detail::resource& ownership::resource() const {
    if (!resource_)
        throw std::invalid_argument{"miou: this ownership was moved from"};
    return *resource_;
}

void ownership::own() const {
    task& self = scheduler::current("miou::ownership::own").running_task();
    if (resource().is_owned_by(self))
        throw std::invalid_argument{"The current promise already holds the resource given"};
    if (!resource().claim(self))
        refuse(resource(), self, "miou::ownership::own: another task owns the resource");
}

void ownership::disown() const {
    require_owner(resource(), "miou::ownership::disown");
    resource().disown();
}

void ownership::release() const {
    require_owner(resource(), "miou::ownership::release");
    resource().disown()->finalise();
}

void ownership::transfer() const {
    task& self = require_owner(resource(), "miou::ownership::transfer");
    if (self.parent == nullptr)
        throw std::invalid_argument{"The current promise has no parent, so it is impossible to "
                                    "transfer a resource"};
    if (self.parent->home == self.home)
        resource().give_to(*self.parent);
    else
        resource().send_to(*self.parent);
}

void ownership::check() const {
    require_owner(resource(), "miou::ownership::check");
}

void ownership::require_givable(const char* caller) const {
    if (resource().is_owned())
        require_owner(resource(), caller);
}

void ownership::claim_for(detail::task& child, const char* caller) const {
    if (!resource().is_owned_by(child) && !resource().claim(child))
        require_owner(resource(), caller);
}

void ownership::give_to(detail::task& child) const noexcept {
    if (!resource_->is_owned_by(child))
        resource_->give_to(child);
}

} // namespace miou
