// A lock for a few instructions. Never held over a suspension or a call into user code.
#pragma once

#include "miou/detail/atomic.hpp"

#include <sched.h>

namespace miou::detail {

class spinlock {
public:
    void lock() noexcept {
        // The holder may have been preempted. So this gives way after a short spin.
        for (int spins = 0; held_.exchange(true, memory_order_acquire); ++spins)
            if (spins < 64)
                spin_pause();
            else
                ::sched_yield();
    }
    void unlock() noexcept { held_.store(false, memory_order_release); }

private:
    atomic<bool> held_ = false;
};

} // namespace miou::detail
