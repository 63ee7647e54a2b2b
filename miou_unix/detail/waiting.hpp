// Waiting for a descriptor.
#pragma once

#include "miou/promise.hpp"
#include "miou_unix/detail/descriptor_state.hpp"
#include "miou_unix/detail/operation.hpp"

#include <cerrno>
#include <cstddef>
#include <exception>
#include <optional>

// All of this is for running tasks, suspends, and throws `miou::cancelled`,
// `miou::no_select_provided` and EBADF, naming `caller`.

namespace miou_unix::detail {

enum class wait_type { read, write, error };

/// Parks until a call on `f` would not block, most likely: another task may be faster, or an event
/// of another descriptor, closed before, still be on its way to the same place in Asio.
void wait_until(wait_type what, descriptor_state& f, const char* caller);

/// Same, until the system says so. Does not suspend if it does at once.
void wait_until_ready(wait_type what, descriptor_state& f, const char* caller);

/// Whether a call on `fd` would not block. Does not suspend, throws nothing.
bool is_ready(wait_type what, int fd) noexcept;

/// An asynchronous operation on `f` that `begin` starts, when it is called with this and with
/// Asio's object.
template <class Begin>
class descriptor_operation final : public operation {
public:
    descriptor_operation(descriptor_state& f, registration& here, Begin& begin) noexcept
        : operation{here.home(), {&f, &here}}
        , f_{f}
        , here_{here}
        , begin_{begin} {}

    /// Of starting it.
    const std::exception_ptr& failure() const noexcept { return failure_; }

    void abort() {
        if (!f_.is_closed()) // otherwise it was aborted already, and `here` may be gone
            here_.with_view([](auto& view) { view.cancel(); });
    }

private:
    void start() noexcept override try {
        if (f_.is_closed()) // since it was submitted
            return end(asio::error::operation_aborted, 0);
        // `here` lives: who closes `f` from now on, on another thread, posts its release to this
        // one.
        here_.with_view([this](auto& view) { begin_(*this, view); });
    } catch (...) {
        failure_ = std::current_exception();
        end({}, 0);
    }

    descriptor_state& f_;
    registration& here_;
    Begin& begin_;
    std::exception_ptr failure_;
};

/// Runs an asynchronous operation on `f` and waits for it. Returns what it transferred; nothing,
/// if it was aborted because another task aborted all that is pending on `f`: start again.
template <class Begin>
std::optional<std::size_t> run_operation(descriptor_state& f, const char* caller, Begin begin) {
    descriptor_operation<Begin> op{f, f.here(caller), begin};
    const std::exception_ptr cancellation = op.run([&] { op.abort(); });
    if (cancellation)
        std::rethrow_exception(cancellation);
    if (op.failure())
        std::rethrow_exception(op.failure());
    if (op.error == asio::error::operation_aborted) {
        if (f.is_closed())
            throw_errno(EBADF, caller);
        return std::nullopt;
    }
    if (op.error == asio::error::eof)
        return 0;
    if (op.error)
        throw_error(op.error, caller);
    return op.transferred;
}

/// Repeats `call`, a system call on the raw descriptor, until it neither is interrupted nor would
/// block, waiting for `what` in between. Throws the errno otherwise.
template <class Call>
auto retry(wait_type what, descriptor_state& f, const char* caller, Call&& call) {
    miou::consume_budget(caller); // before: it may throw, and what a call has done must be reported
    for (;;) {
        if (!f.non_blocking())
            wait_until_ready(what, f, caller);
        const auto returned = f.with_number(caller, call);
        if (returned >= 0)
            return returned;
        if (would_block(errno))
            wait_until(what, f, caller);
        else if (errno != EINTR)
            throw_errno(errno, caller);
    }
}

} // namespace miou_unix::detail
