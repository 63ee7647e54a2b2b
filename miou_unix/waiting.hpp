// Waiting for a descriptor.
#pragma once

#include "miou/promise.hpp"
#include "miou_unix/descriptor_state.hpp"
#include "miou_unix/operation.hpp"

#include <boost/system/system_error.hpp>

#include <cerrno>
#include <cstddef>
#include <exception>
#include <optional>

// All of this is for running tasks, suspends, and throws `miou::cancelled`,
// `miou::no_select_provided` and EBADF, naming `caller`.

namespace miou_unix {

enum class wait_type { read, write, error };

/// Parks until a call on `f` would not block, most likely: another task may be faster.
void wait_until(wait_type what, descriptor_state& f, const char* caller);

/// Whether a call on `fd` would not block. Does not suspend, throws nothing.
bool is_ready(wait_type what, int fd) noexcept;

inline bool would_block(int error) noexcept {
    return error == EAGAIN || error == EWOULDBLOCK;
}

/// Starts an asynchronous operation on `f` and waits for it. Returns what it transferred; nothing,
/// if it was aborted because another task aborted all that is pending on `f`: start again.
template <class Start>
std::optional<std::size_t> run_operation(descriptor_state& f, const char* caller, Start&& start) {
    operation op;
    registration& here = f.here(caller);
    here.with_view([&](auto& view) { start(view, op.completion()); });
    const std::exception_ptr cancellation = op.wait([&] {
        if (!f.is_closed()) // otherwise it was aborted already, and `here` may be gone
            here.with_view([](auto& view) { view.cancel(); });
    });
    if (cancellation)
        std::rethrow_exception(cancellation);
    if (op.error == asio::error::operation_aborted) {
        if (f.is_closed())
            throw_errno(EBADF, caller);
        return std::nullopt;
    }
    if (op.error == asio::error::eof)
        return 0;
    if (op.error)
        throw boost::system::system_error{op.error, caller};
    return op.transferred;
}

/// Repeats `call`, a system call on the raw descriptor, until it neither is interrupted nor would
/// block, waiting for `what` in between. Throws the errno otherwise.
template <class Call>
auto retry(wait_type what, descriptor_state& f, const char* caller, Call&& call) {
    miou::consume_budget(); // before: it may throw, and what a call has done must be reported
    for (;;) {
        while (!f.non_blocking() && f.with_number([&](int fd) { return !is_ready(what, fd); }))
            wait_until(what, f, caller);
        const auto returned = f.with_number(call);
        if (returned >= 0)
            return returned;
        if (would_block(errno))
            wait_until(what, f, caller);
        else if (errno != EINTR && errno != ECONNABORTED)
            throw_errno(errno, caller);
    }
}

} // namespace miou_unix
