#include "miou/src/scheduler/fiber_supply.hpp"

#include <cassert>

namespace miou::detail {

fiber_supply::fiber_supply(fiber_thread& thread, guard_settings guards, void (*body)(fiber&, void*),
                           void* argument)
    : thread_{thread}
    , body_{body}
    , argument_{argument}
    , stacks_{guards}
    , reserve_{&make()} {}

fiber_supply::~fiber_supply() {
    assert(waiting_.empty() && !reserve_in_use_);
    while (idle_ != nullptr)
        fiber::destroy(*std::exchange(idle_, idle_->next_idle));
    fiber::destroy(*reserve_);
}

fiber& fiber_supply::make() {
    return fiber::create(stacks_.take(), thread_, body_, argument_, made_++);
}

fiber* fiber_supply::make_or_take_reserve(task& t) noexcept {
    try {
        return &make();
    } catch (...) {
        if (reserve_in_use_) {
            waiting_.push(static_cast<run_mail&>(t));
            return nullptr;
        }
        if (!shortage_)
            shortage_ = std::current_exception();
    }
    t.error = shortage_;
    reserve_in_use_ = true;
    return reserve_;
}

void fiber_supply::trim() noexcept {
    constexpr std::size_t kept_idle = 512;
    for (; idle_count_ > kept_idle; --idle_count_)
        stacks_.give_back(fiber::destroy(*std::exchange(idle_, idle_->next_idle)));
}

} // namespace miou::detail
