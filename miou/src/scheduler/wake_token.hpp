// What a domain without a system sleeps on.
#pragma once

#include "miou/detail/atomic.hpp"

#include <semaphore.h>

namespace miou::detail {

/// A binary semaphore, made of one of POSIX. The `wait` of an atomic would not do. It hashes all
/// sleepers of the process into a few queues and wakes a whole queue. And the thread sanitizer,
/// which delivers signals only in calls that it knows, does not know it.
class wake_token {
public:
    wake_token() noexcept { ::sem_init(&given_, 0, 0); }
    ~wake_token() { ::sem_destroy(&given_); }
    wake_token(const wake_token&) = delete;
    wake_token& operator=(const wake_token&) = delete;

    /// Any thread. A second `give` before a `take` changes nothing.
    void give() noexcept {
        // acq_rel pairs with `take`: it also shows what came before a `give` that changes nothing.
        if (!is_given_.exchange(true, memory_order_acq_rel))
            ::sem_post(&given_);
    }
    /// Owner. Waits for a `give`.
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
