// An operation of Asio on a descriptor as a plain call.
#pragma once

#include "miou_unix/detail/descriptor_state.hpp"
#include "miou_unix/detail/handler_memory.hpp"
#include "miou_unix/detail/reactor.hpp"

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <exception>

namespace miou_unix::detail {

/// One operation that the running task waits for. It is on the task's stack, and so are its
/// buffers: the task does not leave before the operation has ended or was withdrawn.
///
///     submitted ---- its turn ----> started ---- its handler runs ----> ended
///         |            |               ^               |                   ^
///         |            |               +---------------+ (aborted, since   |
///         |            +-- closed, or no memory --+      another task of   |
///         |                                       |      the descriptor    |
///         +---- the task is cancelled             |      was cancelled)    |
///                                                 +------------------------+
class operation : public turn {
public:
    /// Submits it, suspends until it has ended, and returns how many bytes it has transferred.
    /// Throws the error that has ended it, EBADF if the descriptor was closed, and
    /// `miou::cancelled` unless it had completed by then.
    std::size_t run();

protected:
    // An operation of Asio on one descriptor needs no more. Small, because it lies between the
    // frames that the resumed task touches.
    using memory = handler_memory<160>;
    struct handler {
        using allocator_type = memory::allocator<std::byte>;
        allocator_type get_allocator() const noexcept { return of->memory_.get(); }
        void operator()(const boost::system::error_code& e, std::size_t n = 0) const noexcept {
            of->handle(e, n);
        }
        operation* of;
    };

    /// For the reactor of the calling domain. Throws EBADF.
    operation(descriptor_state& f, const char* caller)
        : operation{f, f.here(caller), caller} {}
    ~operation() = default;

    /// Makes the call on `f`, whose number is `fd`, instead of Asio. Returns false if it would
    /// block.
    virtual bool attempt_on(const descriptor_state& /*f*/, int /*fd*/) noexcept { return false; }
    /// For `attempt_on`.
    void set_result(int error, std::size_t transferred) noexcept {
        error_ = {error, boost::system::system_category()};
        transferred_ = transferred;
    }

    /// Starts Asio's operation on `here`, with `completion` as its handler.
    virtual void start_on(registration& here, handler completion) = 0;

private:
    operation(descriptor_state& f, registration& here, const char* caller) noexcept
        : turn{this + 1, {&f, &here}}
        , f_{f}
        , here_{here}
        , home_{here.home()}
        , caller_{caller} {}

    bool withdraw() noexcept;
    bool attempt() noexcept final;
    void start() noexcept final;
    void handle(const boost::system::error_code& error, std::size_t transferred) noexcept;

    descriptor_state& f_;
    registration& here_; // may be gone once `f_` is closed
    reactor& home_;
    const char* const caller_;
    bool was_cancelled_ = false;
    boost::system::error_code error_;
    std::size_t transferred_ = 0;
    std::exception_ptr failure_; // starting it threw
    memory memory_;
};

} // namespace miou_unix::detail
