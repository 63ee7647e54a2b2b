#include "miou/condition.hpp"

#include "miou/src/scheduler/scheduler.hpp"
#include "miou/trigger.hpp"

#include <system_error>
#include <utility>

namespace miou {

using detail::scheduler;

namespace {

[[noreturn]] void not_held() {
    throw std::system_error{std::make_error_code(std::errc::operation_not_permitted),
                            "miou::condition::wait: the caller does not hold the mutex"};
}

} // namespace

/// A waiter of another domain is not woken into a mutex that is held, but queued for it. A waiter
/// of this domain runs only when the caller has parked, and then the mutex is likely to be free.
void condition::notify(detail::waiter& w) noexcept {
    if (w.home != nullptr && w.home->is_here())
        w.wake();
    else
        w.wanted->queue_or_wake(w);
}

void condition::wait(mutex& held) {
    scheduler* const here = scheduler::current_or_null();
    const detail::identity self = scheduler::identity_of_caller(here);
    if (!held.is_held_by(self))
        not_held();
    if (here == nullptr)
        detail::require_that_caller_may_wait("miou::condition::wait");
    detail::waiter me{here, scheduler::task_of_caller(here), self};
    me.wanted = &held;
    waiters_.push(waiters_.guard(), me);
    held.unlock();
    const bool notified = waiters_.wait(me);
    held.lock_after_wait(me);
    if (!notified)
        std::rethrow_exception(here->cancellation());
}

void condition::wait(std::unique_lock<mutex>& held) {
    if (!held.owns_lock())
        not_held();
    wait(*held.mutex());
}

void condition::signal() noexcept {
    if (!waiters_.has_waiters())
        return;
    if (detail::waiter* const first = waiters_.pop(waiters_.guard()))
        notify(*first);
}

void condition::broadcast() noexcept {
    // Those that wait again meanwhile are not woken. Once the last one is woken, this may be gone.
    waiters_.pop_each([](detail::waiter& each) { notify(each); });
}

} // namespace miou
