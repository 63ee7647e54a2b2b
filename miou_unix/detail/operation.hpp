// An asynchronous operation on a descriptor as a plain call.
#pragma once

#include "miou/promise.hpp"
#include "miou_unix/detail/errors.hpp"
#include "miou_unix/detail/handler_memory.hpp"
#include "miou_unix/detail/reactor.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>

#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <exception>
#include <utility>

namespace miou_unix::detail {

/// One operation that the running task waits for; on the task's stack, as are its buffers, so the
/// task does not leave before it has ended or was withdrawn.
class operation : public request {
public:
    /// In `home`, the reactor of the calling domain. `touched`: see `request`.
    operation(reactor& home, std::array<const void*, 2> touched) noexcept
        : request{this + 1, touched}
        , home_{home} {}
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    /// Submits it and waits until it has ended. When the running task is cancelled meanwhile,
    /// withdraws it, or calls `abort`, which must make its handler run, and waits for that. Null
    /// unless the operation came to nothing by this: what it had completed by then is not lost.
    template <class Abort>
    std::exception_ptr run(Abort&& abort) {
        assert(reactor::current_or_null() == &home_);
        home_.submit(*this);
        std::exception_ptr cancellation = ended.await();
        if (!cancellation || home_.withdraw(*this))
            return cancellation;
        if (!ended.is_signaled()) {
            std::forward<Abort>(abort)();
            miou::uncancellable([this] { ended.await(); });
        }
        return error == boost::asio::error::operation_aborted ? cancellation : nullptr;
    }

    /// In place of starting a read: makes `call`, the system call, if the reactor expects it to
    /// find something. True: the operation has ended, or is submitted once more. False: start it.
    template <class Call>
    bool try_read_at_once(Call call) noexcept {
        if (!home_.reads().will_succeed())
            return false;
        const ::ssize_t done = call();
        const int error_number = done < 0 ? errno : 0;
        home_.reads().learn(done >= 0);
        if (would_block(error_number) || error_number == EINTR) {
            // Asio would ask the same again. After the tasks that have found something it is
            // another question.
            if (tried_ || !home_.has_completed())
                return false;
            tried_ = true;
            home_.submit(*this);
            return true;
        }
        end({error_number, boost::system::system_category()},
            static_cast<std::size_t>(std::max<::ssize_t>(done, 0)));
        return true;
    }

    // An operation of Asio on one descriptor takes no more. Small, since whoever resumes the task
    // goes past it to the frames above.
    using memory = handler_memory<160>;
    struct handler {
        using allocator_type = memory::allocator<std::byte>;
        allocator_type get_allocator() const noexcept { return op->memory_.get(); }
        void operator()(const boost::system::error_code& e, std::size_t n = 0) const noexcept {
            op->end(e, n);
        }
        operation* op;
    };
    handler completion() noexcept { return {this}; }

    boost::system::error_code error;
    std::size_t transferred = 0;

protected:
    ~operation() { assert(!is_linked()); }
    /// Also for one that could not be started.
    void end(const boost::system::error_code& e, std::size_t n) noexcept {
        error = e;
        transferred = n;
        prefetch_task();
        home_.complete(*this);
    }

private:
    reactor& home_;
    bool tried_ = false;
    memory memory_;
};

} // namespace miou_unix::detail
