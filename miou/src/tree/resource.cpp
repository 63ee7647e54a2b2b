#include "miou/detail/resource.hpp"

#include "miou/src/report/log_exception.hpp"
#include "miou/src/scheduler/scheduler.hpp"

#include <cassert>

namespace miou::detail {

bool resource::claim(task& new_owner) noexcept {
    task* nobody = nullptr;
    if (!owner_.compare_exchange_strong(nobody, &new_owner, memory_order_acquire,
                                        memory_order_relaxed))
        return false;
    if (number_.load(memory_order_relaxed) == 0)
        number_.store(this_scheduler->next_uid(), memory_order_relaxed);
    link(new_owner);
    return true;
}

std::shared_ptr<resource> resource::disown() noexcept {
    std::shared_ptr<resource> self = unlink();
    owner_.store(nullptr, memory_order_release);
    return self;
}

void resource::give_to(task& new_owner) noexcept {
    const std::shared_ptr<resource> self = unlink();
    owner_.store(&new_owner, memory_order_relaxed);
    link(new_owner);
}

void resource::send_to(task& elsewhere) noexcept {
    in_transit_ = unlink();
    destination_ = &elsewhere;
    owner_.store(on_its_way(), memory_order_relaxed);
    elsewhere.home->send(*this); // arrives before the mail of the owner's end
}

void resource::arrive() noexcept {
    assert(in_transit_ != nullptr && destination_->home == this_scheduler);
    const std::shared_ptr<resource> self = std::move(in_transit_);
    owner_.store(destination_, memory_order_relaxed);
    link(*destination_);
}

void resource::link(task& owner) noexcept {
    assert(next_ == nullptr && owner_.load(memory_order_relaxed) == &owner);
    previous_ = nullptr;
    next_ = std::move(owner.resources);
    if (next_)
        next_->previous_ = this;
    owner.resources = shared_from_this();
    this_scheduler->record<trace::attach>(*this, owner);
}

std::shared_ptr<resource> resource::unlink() noexcept {
    task& owner = *owner_.load(memory_order_relaxed);
    assert(&owner != on_its_way() && (owner.home == nullptr || owner.home == this_scheduler));
    this_scheduler->record<trace::detach>(*this, owner);
    std::shared_ptr<resource>& link = previous_ ? previous_->next_ : owner.resources;
    std::shared_ptr<resource> self = std::move(link);
    if (next_)
        next_->previous_ = previous_;
    link = std::move(next_);
    previous_ = nullptr;
    return self;
}

void finalise_resources(task& owner) noexcept {
    while (owner.resources) {
        const std::shared_ptr<resource> each = owner.resources->disown();
        call_and_log(
            "a finaliser", [&] { each->finalise(); }, &owner);
    }
}

} // namespace miou::detail
