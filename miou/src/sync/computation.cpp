#include "miou/computation.hpp"

#include "miou/src/scheduler/scheduler.hpp"

#include <thread>

namespace miou::detail {

// Signaling a trigger may run the user's code, so the guard is not held meanwhile. `signaling_` is
// the trigger that was taken out and is not signaled yet. Whoever detaches that trigger waits until
// it is signaled.

void completion::signal_all(std::unique_lock<spinlock>& held) noexcept {
    completer_ = this_identity();
    while (!attached_.empty()) {
        attachment& first = attached_.front();
        signaling_ = first.target;
        attached_.pop_front();
        owned_.erase(signaling_);
        held.unlock();
        signaling_->signal();
        held.lock();
        signaling_ = nullptr;
    }
}

bool completion::attach(trigger& target) {
    const std::scoped_lock held{guard_};
    if (complete_.load(memory_order_relaxed) || target.is_signaled())
        return false;
    const auto [place, is_new] = owned_.try_emplace(&target);
    if (is_new) {
        place->second.target = &target;
        attached_.push_back(place->second);
    }
    return true;
}

bool completion::add(attachment& a) noexcept {
    const std::scoped_lock held{guard_};
    if (complete_.load(memory_order_relaxed))
        return false;
    attached_.push_back(a);
    return true;
}

bool completion::remove(attachment& a) noexcept {
    std::unique_lock held{guard_};
    if (a.place.is_linked()) {
        a.place.unlink();
        return true;
    }
    wait_while_signaling(held, *a.target);
    return false;
}

void completion::detach(trigger& target) {
    std::unique_lock held{guard_};
    owned_.erase(&target);
    wait_while_signaling(held, target);
    held.unlock();
    target.signal();
}

void completion::wait_while_signaling(std::unique_lock<spinlock>& held,
                                      const trigger& target) noexcept {
    while (signaling_ == &target && completer_ != this_identity()) {
        held.unlock();
        std::this_thread::yield();
        held.lock();
    }
}

void completion::drop_signaled() {
    const std::scoped_lock held{guard_};
    std::erase_if(owned_, [](const auto& entry) { return entry.first->is_signaled(); });
}

std::exception_ptr completion::wait() {
    if (is_complete()) {
        scheduler::count_call_of_caller();
        return nullptr;
    }
    require_that_caller_may_wait("miou::computation::await");
    trigger completed;
    attachment mine{&completed, {}};
    if (!add(mine))
        return nullptr;
    return completed.await_or([&] { return remove(mine); });
}

cancel_on_completion::cancel_on_completion(completion& of, cancel_scope& scope) noexcept
    : of_{of}
    , scope_{scope} {
    completed_.wake_on_signal(*this);
    if (!of_.add(place_))
        completed_.signal();
}

cancel_on_completion::~cancel_on_completion() {
    of_.remove(place_);
    completed_.signal(); // a trigger must not go with a waiter; the scope has ended
}

} // namespace miou::detail
