// What a domain without a system sleeps on.
#pragma once

#include "miou/detail/atomic.hpp"

#include <semaphore.h>

namespace miou::detail {

/// A binary semaphore. POSIX's rather than the wait of an atomic: that one hashes all sleepers of
/// the process into a few queues and wakes the whole queue, and thread sanitizer, which delivers
/// signals in calls that it knows, does not know it.
class wake_token {
public:
    wake_token() noexcept { ::sem_init(&given_, 0, 0); }
    ~wake_token() { ::sem_destroy(&given_); }
    wake_token(const wake_token&) = delete;
    wake_token& operator=(const wake_token&) = delete;

    /// Any thread; a second one before it is taken changes nothing.
    void give() noexcept {
        // acq_rel, with `take`: what was done before a `give` that changes nothing is seen as well.
        if (!is_given_.exchange(true, memory_order_acq_rel))
            ::sem_post(&given_);
    }
    /// Owner. Waits until it is given.
    void take() noexcept {
        while (::sem_wait(&given_) != 0) {
        } // a signal
        is_given_.exchange(false, memory_order_acq_rel);
    }

private:
    atomic<bool> is_given_ = false;
    ::sem_t given_;
};

} // namespace miou::detail
