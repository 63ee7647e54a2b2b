// A descriptor in the reactor of one domain.
#pragma once

#include "miou_unix/detail/reactor.hpp"

#include <boost/asio/basic_raw_socket.hpp>
#include <boost/asio/generic/raw_protocol.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <memory>
#include <variant>

namespace miou_unix::detail {

/// Closes the descriptor when its last owner lets go of it. The owners are the handles, each
/// reactor that has it registered, and calls under way. So its number is not reused while anybody
/// uses it.
class open_descriptor {
public:
    open_descriptor() noexcept = default; // without a descriptor yet
    open_descriptor(const open_descriptor&) = delete;
    open_descriptor& operator=(const open_descriptor&) = delete;
    ~open_descriptor();

    int number() const noexcept { return fd_; }
    void adopt(int fd) noexcept { fd_ = fd; }
    /// Makes it stay open. Only for the last thread that has this.
    int give_back() noexcept {
        closes_ = false;
        return fd_;
    }

private:
    int fd_ = -1;
    bool closes_ = true;
};

enum class descriptor_kind { stream_socket, datagram_socket, other };

// With this executor, because the type erasure of Asio's usual one costs in each operation.
using asio_descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;
// For sockets, because `recv` is a shorter way through the kernel than `read`. Not a stream to
// Asio: of a stream that has ended or failed, Asio expects nothing more, so a second reader would
// wait for ever.
using asio_socket =
    asio::basic_raw_socket<asio::generic::raw_protocol, asio::io_context::executor_type>;

/// Asio's view of a descriptor on one domain. Belongs to the thread of that domain.
class registration : public registered, public std::enable_shared_from_this<registration> {
public:
    /// Throws `boost::system::system_error`, naming `caller`.
    static std::shared_ptr<registration> make(reactor& home,
                                              std::shared_ptr<open_descriptor> descriptor,
                                              descriptor_kind kind, bool non_blocking,
                                              const char* caller);
    registration(reactor& home, std::shared_ptr<open_descriptor> descriptor);
    ~registration();

    /// Ends every wait with `operation_aborted` and leaves the reactor.
    void release() noexcept;
    /// The same on any thread: at once on that of the home domain, else soon.
    void release_at_home() noexcept;

    // Only before it was released.
    reactor& home() const noexcept { return *home_; }
    int number() const noexcept { return descriptor_->number(); }
    /// Calls `fn` with Asio's object.
    template <class F>
    void with_view(F&& fn) {
        if (auto* const socket = std::get_if<asio_socket>(&view_))
            fn(*socket);
        else if (auto* const descriptor = std::get_if<asio_descriptor>(&view_))
            fn(*descriptor);
    }

    // Any thread.
    bool belongs_to(const reactor& r) const noexcept { return handle_ == r.handle(); }
    bool belongs_to_this_thread() const noexcept { return reactor::is_of_this_thread(*handle_); }
    const reactor::remote_handle& handle() const noexcept { return *handle_; }
    /// Whether its reactor is gone.
    bool is_of_the_past() const { return handle_->is_closed(); }

private:
    boost::system::error_code assign(descriptor_kind kind);
    boost::system::error_code stay_blocking();
    void let_go() noexcept;

    reactor* home_; // null once released
    const std::shared_ptr<reactor::remote_handle> handle_;
    std::variant<std::monostate, asio_socket, asio_descriptor>
        view_; // does not outlive the reactor
    std::shared_ptr<open_descriptor> descriptor_;
};

} // namespace miou_unix::detail
