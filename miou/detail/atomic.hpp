// All atomics come from here, so that a model checker can be put under the lock-free parts.
#pragma once

#include "miou/config.hpp"

#include <atomic>

namespace miou::detail {

template <class T>
using atomic = std::atomic<T>;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

} // namespace miou::detail
