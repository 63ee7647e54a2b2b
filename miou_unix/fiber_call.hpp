// One asynchronous call of somebody else's library, and the task that waits for it.
#pragma once

#include "miou/trigger.hpp"
#include "miou_unix/executor.hpp"
#include "miou_unix/handler_memory.hpp"

#include <boost/asio/cancellation_signal.hpp>

#include <exception>

namespace miou_unix::detail {

using call_memory = handler_memory<512>; // composed operations carry their state along

/// On the task's stack. The task does not leave before the handler has run or was dropped, and has
/// given its memory back; so the handler, and everything that the caller passed to the call, may
/// refer to the stack.
///
///     begun ---- finish (any thread) ----> finished
///       |                                     ^
///       +-- the task is cancelled --> emit ---+
class fiber_call {
public:
    using executor_type = boost::asio::io_context::executor_type;

    /// Throws what `executor` throws, and `miou::cancelled`.
    fiber_call();
    fiber_call(const fiber_call&) = delete;
    fiber_call& operator=(const fiber_call&) = delete;

    const executor_type& executor() const noexcept { return executor_; }
    call_memory& memory() noexcept { return memory_; }
    boost::asio::cancellation_slot slot() noexcept { return signal_.slot(); }

    /// The handler's last touch. Any thread.
    void finish() noexcept;

    /// Waits for `finish`. When the running task is cancelled meanwhile, cancels the call, waits
    /// none the less, and returns the cancellation; null otherwise.
    std::exception_ptr wait();
    /// Cancels the call and waits; not cancellable.
    void abandon() noexcept;

private:
    void wait_for_memory() noexcept;

    executor_type executor_;
    miou::trigger done_;
    boost::asio::cancellation_signal signal_;
    call_memory memory_;
};

} // namespace miou_unix::detail
