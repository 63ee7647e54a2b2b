// How a plain thread waits.
#pragma once

#include "miou/detail/trigger_state.hpp"

#include <semaphore.h>

namespace miou::detail {

/// A plain thread that waits. Each `wake` ends one `block`, also if it comes first. The thread may
/// destroy this as soon as `block` has returned, while the waker is still inside `wake`.
class MIOU_API blocked_thread final : public wakeable {
public:
    blocked_thread() noexcept { ::sem_init(&woken_, 0, 0); }
    ~blocked_thread() { ::sem_destroy(&woken_); }
    blocked_thread(const blocked_thread&) = delete;
    blocked_thread& operator=(const blocked_thread&) = delete;
    void wake() noexcept override { ::sem_post(&woken_); }
    void block() noexcept {
        while (::sem_wait(&woken_) != 0) {
        } // a signal
    }

private:
    ::sem_t woken_;
};

} // namespace miou::detail
