#include "miou_unix/fiber_call.hpp"

#include "miou/promise.hpp"
#include "miou_unix/reactor.hpp"

namespace miou_unix::detail {

fiber_call::fiber_call()
    : executor_{reactor::current("miou_unix::use_fiber").io().get_executor()} {
    miou::consume_budget(); // before: what the call has done must be reported
}

void fiber_call::finish() noexcept {
    if (reactor* const here = reactor::current_or_null())
        here->note_progress();
    done_.signal();
}

std::exception_ptr fiber_call::wait() {
    std::exception_ptr cancellation = done_.await();
    if (cancellation)
        abandon();
    else
        wait_for_memory();
    return cancellation;
}

void fiber_call::abandon() noexcept {
    miou::uncancellable([this] {
        cancelled_call told{signal_, done_};
        reactor::current("miou_unix::use_fiber").cancel(told);
        done_.await();
        wait_for_memory();
    });
}

/// A library frees what it keeps of a handler before it calls it, but after it destroys one without
/// calling it: for a moment only, on another thread.
void fiber_call::wait_for_memory() noexcept {
    while (memory_.is_used())
        [[unlikely]] miou::uncancellable([] { miou::yield(); });
}

} // namespace miou_unix::detail
