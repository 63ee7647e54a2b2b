#include "miou/computation.hpp"

#include "miou/promise.hpp"

#include <thread>

namespace miou::detail {

// Signaling a trigger may run the user's code, so it is done without the guard. What was taken out
// and is not signaled yet stands in `signaling_`; who detaches waits until it is not his any more.

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

void completion::detach(trigger& target) {
    std::unique_lock held{guard_};
    owned_.erase(&target);
    while (signaling_ == &target && completer_ != this_identity()) {
        held.unlock();
        std::this_thread::yield();
        held.lock();
    }
    held.unlock();
    target.signal();
}

void completion::drop_signaled() {
    const std::scoped_lock held{guard_};
    std::erase_if(owned_, [](const auto& entry) { return entry.first->is_signaled(); });
}

std::exception_ptr completion::wait() {
    trigger completed;
    attachment mine{&completed, {}};
    {
        const std::scoped_lock held{guard_};
        if (complete_.load(memory_order_relaxed))
            return nullptr;
        attached_.push_back(mine);
    }
    std::exception_ptr cancellation = completed.await();
    if (!cancellation)
        return nullptr;
    {
        const std::scoped_lock held{guard_};
        if (mine.place.is_linked()) {
            mine.place.unlink();
            return cancellation;
        }
    }
    uncancellable([&] { completed.await(); }); // the signal is on its way
    return nullptr;
}

} // namespace miou::detail
