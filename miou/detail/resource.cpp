#include "miou/detail/resource.hpp"

#include "miou/logs.hpp"

namespace miou::detail {

void resource::attach_to(task& new_owner) {
    owner.store(&new_owner, memory_order_relaxed);
    previous = nullptr;
    next = std::move(new_owner.resources);
    if (next)
        next->previous = this;
    new_owner.resources = shared_from_this();
}

std::shared_ptr<resource> resource::detach() noexcept {
    std::shared_ptr<resource>& link =
        previous ? previous->next : owner.load(memory_order_relaxed)->resources;
    const std::shared_ptr<resource> self = std::move(link);
    if (next)
        next->previous = previous;
    link = std::move(next);
    owner.store(nullptr, memory_order_relaxed);
    previous = nullptr;
    return self;
}

void finalise_resources(task& owner) noexcept {
    while (owner.resources) {
        const std::shared_ptr<resource> each = owner.resources->detach();
        try {
            each->finalise();
        } catch (const std::exception& error) {
            logs::write(logs::level::error,
                        "a finaliser of " + owner.describe() + " threw: " + error.what());
        } catch (...) {
            logs::write(logs::level::error, "a finaliser of " + owner.describe() + " threw");
        }
    }
}

} // namespace miou::detail
