// An asynchronous operation as a plain call.
#pragma once

#include "miou/promise.hpp"
#include "miou/trigger.hpp"
#include "miou_unix/handler_memory.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <exception>
#include <utility>

namespace miou_unix {

/// One operation that the running task waits for; on the task's stack, as are its buffers, so the
/// task does not leave before the handler has run.
class operation {
public:
    operation() noexcept = default;
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    /// Waits for the handler. When the running task is cancelled meanwhile, calls `abort`, which
    /// must make the handler run, and waits for that. Null unless the operation was aborted by
    /// this: what it had completed by then is not lost.
    template <class Abort>
    std::exception_ptr wait(Abort&& abort) {
        std::exception_ptr cancellation = done_.await();
        if (cancellation) {
            std::forward<Abort>(abort)();
            miou::uncancellable([this] { done_.await(); });
            if (error != boost::asio::error::operation_aborted)
                return nullptr;
        }
        return cancellation;
    }

    // An operation of Asio on one descriptor takes no more. Small, since whoever resumes the task
    // goes past it to the frames above.
    using memory = handler_memory<160>;
    struct handler {
        using allocator_type = memory::allocator<std::byte>;
        allocator_type get_allocator() const noexcept { return op->memory_.get(); }
        void operator()(const boost::system::error_code& e, std::size_t n = 0) const noexcept {
            op->error = e;
            op->transferred = n;
            // The frames of the callers lie above: with many tasks they are in no cache.
            for (int line = 0; line < 8; ++line)
                __builtin_prefetch(reinterpret_cast<const char*>(op + 1) + 64 * line);
            op->done_.signal(); // the last touch: the task may destroy the operation
        }
        operation* op;
    };
    handler completion() noexcept { return {this}; }

    boost::system::error_code error;
    std::size_t transferred = 0;

private:
    miou::trigger done_;
    memory memory_;
};

} // namespace miou_unix
