#include "miou_unix/detail/operation.hpp"

#include "miou/errors.hpp"
#include "miou_unix/detail/errors.hpp"

#include <boost/asio/error.hpp>

#include <cerrno>

namespace miou_unix::detail {

std::size_t operation::run() {
    home_.add(*this);
    if (const std::exception_ptr cancellation = ended.await_or([this] { return withdraw(); }))
        std::rethrow_exception(cancellation);
    if (failure_)
        std::rethrow_exception(failure_);
    if (error_ == asio::error::operation_aborted) {
        if (was_cancelled_)
            throw miou::cancelled{};
        throw_errno(EBADF, caller_);
    }
    if (error_ && error_ != asio::error::eof)
        throw_error(error_, caller_);
    return transferred_;
}

/// For a task that was cancelled. Returns false if the handler will run, or has.
bool operation::withdraw() noexcept {
    if (home_.remove(*this))
        return true;
    was_cancelled_ = true;
    if (!ended.is_signaled() && !f_.is_closed()) // closing has aborted it
        here_.with_view([](auto& view) { view.cancel(); });
    return false;
}

bool operation::attempt() noexcept {
    if (f_.is_closed() || !attempt_on(f_, here_.number()))
        return false;
    home_.complete(*this);
    return true;
}

void operation::start() noexcept {
    try {
        if (!f_.is_closed()) {
            // `here_` lives: if another thread closes `f_` from now on, only this thread releases
            // it.
            start_on(here_, handler{this});
            return;
        }
        error_ = asio::error::operation_aborted;
    } catch (...) {
        failure_ = std::current_exception();
    }
    home_.complete(*this);
}

void operation::handle(const boost::system::error_code& error, std::size_t transferred) noexcept {
    // The cancellation of another task has aborted all that is pending on the descriptor.
    if (error == asio::error::operation_aborted && !was_cancelled_ && !f_.is_closed())
        return start();
    error_ = error;
    transferred_ = transferred;
    home_.complete(*this);
}

} // namespace miou_unix::detail
