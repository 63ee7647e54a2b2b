// One asynchronous call of another library, and the task that waits for it.
#pragma once

#include "miou/config.hpp"
#include "miou/trigger.hpp"
#include "miou_unix/detail/handler_memory.hpp"
#include "miou_unix/executor.hpp"

#include <boost/asio/cancellation_signal.hpp>

#include <atomic>
#include <exception>

namespace miou_unix::detail {

/// Counts what refers to a call: its handler, until that has run or was dropped, and every block
/// that was allocated for it. The last one to go signals `end`, and touches nothing after that. Any
/// thread.
class MIOU_API call_use {
public:
    explicit call_use(miou::trigger& end) noexcept
        : end_{end} {}

    bool take_room() noexcept {
        return (held_.load(std::memory_order_relaxed) & room) == 0 &&
               (held_.fetch_or(room, std::memory_order_acquire) & room) == 0;
    }
    void give_room_back() noexcept { give_back(room); }
    void take_block() noexcept { held_.fetch_add(block, std::memory_order_relaxed); }
    void give_block_back() noexcept { give_back(block); }

    bool awaits_handler() const noexcept {
        return (held_.load(std::memory_order_acquire) & handler) != 0;
    }
    void give_handler_back() noexcept; // not inline: the handler becomes part of Asio's code

private:
    static constexpr unsigned room = 1, handler = 2, block = 4; // the blocks are counted

    void give_back(unsigned what) noexcept {
        // Release pairs with the acquire of the last one to go, and of `take_room`.
        if (held_.fetch_sub(what, std::memory_order_acq_rel) == what) [[unlikely]]
            signal_end();
    }

    void signal_end() noexcept;

    miou::trigger& end_;
    std::atomic<unsigned> held_ = handler;
};

using call_memory = handler_memory<512, call_use>; // has room for the state of composed operations

/// On the task's stack. The task does not leave before the handler has run or was dropped, and all
/// its memory was given back. So the handler, and everything that the caller passed to the call,
/// may refer to the stack.
///
///     begun ---- finish (any thread) ----> finished ---- the memory is given back ----> ended
///       |                                     ^
///       +-- the task is cancelled --> emit, --+
///              in a handler, again and again
class MIOU_API fiber_call {
public:
    using executor_type = boost::asio::io_context::executor_type;

    /// Throws what `executor` throws, and `miou::cancelled`.
    fiber_call();
    fiber_call(const fiber_call&) = delete;
    fiber_call& operator=(const fiber_call&) = delete;

    const executor_type& executor() const noexcept { return executor_; }
    call_memory& memory() noexcept { return memory_; }
    boost::asio::cancellation_slot slot() noexcept { return signal_.slot(); }

    /// The handler is finished, and touches nothing after this. Any thread.
    void finish() noexcept;

    /// Waits for the end, and returns null. If the running task is cancelled meanwhile, cancels the
    /// call, still waits for its end, and returns the cancellation.
    std::exception_ptr wait();
    /// Cancels the call and waits for its end, uncancellably.
    void abandon() noexcept;

private:
    class emitter;

    executor_type executor_;
    miou::trigger ended_;
    boost::asio::cancellation_signal signal_;
    call_memory memory_{ended_};
};

} // namespace miou_unix::detail
