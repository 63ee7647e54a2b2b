#include "miou/cancel_scope.hpp"

#include "miou/src/scheduler/scheduler.hpp"

namespace miou {

using detail::memory_order_acq_rel;
using detail::memory_order_acquire;

void cancel_scope::open() {
    home_ = &detail::scheduler::current("miou::cancel_scope::run");
    detail::open(scope_, "miou::cancel_scope::run");
    // Release pairs with the acquire in `cancel`: a thread that sees `opened` also sees `home_`.
    state seen = state::fresh;
    if (state_.compare_exchange_strong(seen, state::opened, memory_order_acq_rel,
                                       memory_order_acquire))
        return;
    state_.store(state::cancelled, detail::memory_order_relaxed);
    arrive();
}

void cancel_scope::cancel() noexcept {
    state seen = state_.load(memory_order_acquire);
    state next;
    do {
        if (seen != state::fresh && seen != state::opened)
            return;
        next = seen == state::fresh ? state::early : state::cancelled;
    } while (!state_.compare_exchange_weak(seen, next, memory_order_acq_rel, memory_order_acquire));
    if (next == state::early)
        return;
    // This scope and its run live until the cancellation has arrived.
    if (home_ == detail::this_scheduler)
        arrive();
    else
        home_->send(letter_);
}

void cancel_scope::arrive() noexcept {
    detail::cancel(scope_);
    arrived_.signal();
}

void cancel_scope::close() noexcept {
    state seen = state::opened;
    if (!state_.compare_exchange_strong(seen, state::closed, memory_order_acq_rel,
                                        memory_order_acquire)) {
        home_->wait_uncancellably(arrived_); // a mail that is on its way refers to this
        state_.store(state::closed, detail::memory_order_relaxed);
    }
    detail::close(scope_);
}

} // namespace miou
