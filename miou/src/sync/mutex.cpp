#include "miou/mutex.hpp"

#include "miou/src/scheduler/scheduler.hpp"

#include <system_error>

namespace miou {
namespace {

constexpr detail::identity contended = 1;

using detail::memory_order_acquire;
using detail::memory_order_relaxed;
using detail::memory_order_release;

} // namespace

// Every acquire below pairs with the release of the previous unlock or hand-over. The new owner
// sees a hand-over through its trigger.

void mutex::lock() {
    detail::scheduler* const here = detail::scheduler::count_call_of_caller();
    const detail::identity self =
        here != nullptr ? here->identity_of(here->running_task()) : detail::identity_of_thread();
    detail::identity seen = 0;
    if (!word_.compare_exchange_strong(seen, self, memory_order_acquire, memory_order_relaxed))
        lock_contended(here, self);
}

bool mutex::try_lock() noexcept {
    detail::identity seen = 0;
    return word_.compare_exchange_strong(seen, detail::scheduler::identity_of_caller(),
                                         memory_order_acquire, memory_order_relaxed);
}

void mutex::unlock() {
    const detail::identity self = detail::scheduler::identity_of_caller();
    detail::identity seen = self;
    if (!word_.compare_exchange_strong(seen, 0, memory_order_release, memory_order_relaxed))
        unlock_contended(self);
}

bool mutex::held_by_caller() const noexcept {
    return (word_.load(memory_order_relaxed) & ~contended) ==
           detail::scheduler::identity_of_caller();
}

void mutex::lock_contended(detail::scheduler* here, detail::identity self) {
    if (here == nullptr)
        detail::require_that_caller_may_wait("miou::mutex::lock");
    detail::waiter me;
    me.who = self;
    {
        const auto held = waiters_.guard();
        detail::identity seen = word_.load(memory_order_relaxed);
        for (;;) {
            if (seen == 0) {
                if (word_.compare_exchange_weak(seen, self, memory_order_acquire,
                                                memory_order_relaxed))
                    return;
            } else if ((seen & ~contended) == self) {
                throw std::system_error{
                    std::make_error_code(std::errc::resource_deadlock_would_occur),
                    "miou::mutex::lock: the caller holds the mutex already"};
            } else if ((seen & contended) != 0 ||
                       word_.compare_exchange_weak(seen, seen | contended, memory_order_relaxed)) {
                break;
            }
        }
        waiters_.push(held, me);
    }
    const std::exception_ptr cancellation =
        waiters_.wait(me, [&](const detail::wait_list::lock& held) {
            if (waiters_.empty(held))
                word_.fetch_and(~contended, memory_order_relaxed);
        });
    if (cancellation)
        std::rethrow_exception(cancellation);
    // A cancelled task does not keep the lock, even if the hand-over came first.
    if (here != nullptr && here->cancellation_due()) {
        unlock();
        throw cancelled{};
    }
}

void mutex::unlock_contended(detail::identity self) {
    for (;;) {
        detail::waiter* next;
        {
            const auto held = waiters_.guard();
            if ((word_.load(memory_order_relaxed) & ~contended) != self)
                throw std::system_error{std::make_error_code(std::errc::operation_not_permitted),
                                        "miou::mutex::unlock: the caller does not hold the mutex"};
            next = waiters_.pop(held);
            if (next != nullptr)
                word_.store(waiters_.empty(held) ? next->who : next->who | contended,
                            memory_order_release);
        }
        if (next != nullptr)
            return next->woken.signal();
        // All waiters were cancelled. The guard must be released before the mutex, because the next
        // owner may destroy both.
        detail::identity seen = self;
        if (word_.compare_exchange_strong(seen, 0, memory_order_release, memory_order_relaxed))
            return;
    }
}

} // namespace miou
