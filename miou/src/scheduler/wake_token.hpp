// What a domain without a system sleeps on.
#pragma once

#include "miou/detail/atomic.hpp"
#include "miou/detail/blocked_thread.hpp"

namespace miou::detail {

/// A binary semaphore, made of that of a blocked thread. The `wait` of an atomic would not do. It
/// hashes all sleepers of the process into a few queues and wakes a whole queue. And the thread
/// sanitizer, which delivers signals only in calls that it knows, does not know it.
class wake_token {
public:
    /// Any thread. A second `give` before a `take` changes nothing.
    void give() noexcept {
        // acq_rel pairs with `take`: it also shows what came before a `give` that changes nothing.
        if (!is_given_.exchange(true, memory_order_acq_rel))
            owner_.wake();
    }
    /// Owner. Waits for a `give`.
    void take() noexcept {
        owner_.block();
        is_given_.exchange(false, memory_order_acq_rel);
    }

private:
    atomic<bool> is_given_ = false;
    blocked_thread owner_;
};

} // namespace miou::detail
