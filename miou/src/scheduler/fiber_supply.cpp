#include "miou/src/scheduler/fiber_supply.hpp"

#include <cassert>
#include <iterator>

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
    if (!fiber::is_watched())
        return; // each would have to come into the cache
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
    constexpr std::size_t worth_a_trim = 2 * kept_idle;
    if (idle_count_ < worth_a_trim)
        return;
    // The most recently used ones are kept: they are in the cache.
    fiber* last_kept = idle_;
    for (std::size_t i = 1; i < kept_idle; ++i)
        last_kept = last_kept->next_idle;
    fiber* each = std::exchange(last_kept->next_idle, nullptr);
    idle_count_ = kept_idle;
    while (each != nullptr) {
        stack batch[stack_pool::most_at_once];
        std::size_t count = 0;
        for (; each != nullptr && count < std::size(batch); ++count)
            batch[count] = fiber::destroy(*std::exchange(each, each->next_idle));
        stacks_.give_back({batch, count});
    }
}

} // namespace miou::detail
