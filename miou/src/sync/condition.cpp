#include "miou/condition.hpp"

#include "miou/src/scheduler/scheduler.hpp"

#include <optional>
#include <system_error>
#include <utility>

namespace miou {
namespace {

[[noreturn]] void not_held() {
    throw std::system_error{std::make_error_code(std::errc::operation_not_permitted),
                            "miou::condition::wait: the caller does not hold the mutex"};
}

void lock_again(mutex& m) {
    std::optional<detail::shield> until_locked;
    if (detail::scheduler* const here = detail::scheduler::current_or_null())
        until_locked.emplace(here->running_task());
    m.lock();
}

} // namespace

void condition::wait(mutex& held) {
    if (!held.held_by_caller())
        not_held();
    detail::require_that_caller_may_wait("miou::condition::wait");
    detail::waiter me;
    waiters_.push(waiters_.guard(), me);
    held.unlock();
    const std::exception_ptr cancellation =
        waiters_.wait(me, [](const detail::wait_list::lock&) {});
    lock_again(held);
    if (cancellation)
        std::rethrow_exception(cancellation);
}

void condition::wait(std::unique_lock<mutex>& held) {
    if (!held.owns_lock())
        not_held();
    wait(*held.mutex());
}

void condition::signal() noexcept {
    detail::waiter* const first = waiters_.pop(waiters_.guard());
    if (first != nullptr)
        first->woken.signal();
}

void condition::broadcast() noexcept {
    // Wakes all that wait now, but none that waits again. A woken waiter may destroy this.
    detail::waiter* each = waiters_.pop_all(waiters_.guard());
    while (each != nullptr)
        std::exchange(each, each->next)->woken.signal();
}

} // namespace miou
