#include "miou_unix/socket.hpp"

#include "miou/promise.hpp"
#include "miou_unix/descriptor_state.hpp"
#include "miou_unix/operation.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/system/system_error.hpp>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <string>

namespace miou_unix {
namespace {

using wait_type = asio::posix::descriptor_base::wait_type;

bool would_block(int error) noexcept {
    return error == EAGAIN || error == EWOULDBLOCK;
}

void set_option(int fd, int option, bool on, const char* caller) {
    const int value = on;
    if (::setsockopt(fd, SOL_SOCKET, option, &value, sizeof value) != 0)
        throw_errno(errno, caller);
}

file_descr new_socket(int family, const char* caller) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        throw_errno(errno, caller);
    return file_descr{std::make_shared<descriptor_state>(fd, descriptor_kind::stream_socket, true)};
}

void require_stream_socket(const descriptor_state& f, const char* caller) {
    if (f.kind() != descriptor_kind::stream_socket)
        throw std::invalid_argument{std::string{caller} + ": this is not a stream socket"};
}

void refuse_datagrams(const descriptor_state& f, const char* caller) {
    if (f.kind() == descriptor_kind::datagram_socket)
        throw std::invalid_argument{std::string{caller} + ": this is a datagram socket"};
}

template <class View>
View part_of(View whole, const slice& part, const char* caller) {
    if (part.off > whole.size || part.len.value_or(0) > whole.size - part.off)
        throw std::invalid_argument{std::string{caller} + ": the slice is not within the buffer"};
    using byte = std::conditional_t<std::is_same_v<View, mutable_view>, std::byte, const std::byte>;
    return View{static_cast<byte*>(whole.data) + part.off,
                part.len.value_or(whole.size - part.off)};
}

/// Starts an asynchronous operation on `f` and waits for it. Returns what it transferred; nothing,
/// if it was aborted because another task aborted all that is pending on `f`: start again.
template <class Start>
std::optional<std::size_t> run_operation(descriptor_state& f, const char* caller, Start&& start) {
    operation op;
    const std::shared_ptr<registration> view = f.here(caller);
    start(view->asio_view(), op.completion());
    const std::exception_ptr cancellation = op.wait([&] {
        if (!f.is_closed()) // otherwise it was aborted already
            view->asio_view().cancel();
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

void wait_until(wait_type what, descriptor_state& f, const char* caller) {
    while (!run_operation(f, caller, [&](asio::posix::stream_descriptor& view, auto handler) {
        view.async_wait(what, handler);
    })) {
    }
}

/// Asks again, after a wait: another task may have been faster.
bool is_ready(wait_type what, int fd) noexcept {
    ::pollfd asked{fd, static_cast<short>(what == wait_type::wait_read ? POLLIN : POLLOUT), 0};
    return ::poll(&asked, 1, 0) > 0;
}

/// Repeats `call`, a system call on the raw descriptor, until it neither is interrupted nor would
/// block, waiting for `what` in between. Throws the errno otherwise.
template <class Call>
auto retry(wait_type what, descriptor_state& f, const char* caller, Call&& call) {
    miou::consume_budget(); // before: it may throw, and what a call has done must be reported
    for (;;) {
        while (!f.non_blocking() && !is_ready(what, f.open()->number()))
            wait_until(what, f, caller);
        const auto returned = call(f.open()->number());
        if (returned >= 0)
            return returned;
        if (would_block(errno))
            wait_until(what, f, caller);
        else if (errno != EINTR && errno != ECONNABORTED)
            throw_errno(errno, caller);
    }
}

/// `write` that reports EPIPE without the signal: SIGPIPE is blocked in this thread meanwhile, and
/// the one that was raised is taken off, unless one was pending before.
::ssize_t write_without_sigpipe(int fd, const void* data, std::size_t size) noexcept {
    sigset_t pipe, before, pending;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    ::sigpending(&pending);
    ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
    const ::ssize_t written = ::write(fd, data, size);
    const int error = errno;
    if (written < 0 && error == EPIPE && !::sigismember(&pending, SIGPIPE)) {
        const ::timespec at_once{};
        while (::sigtimedwait(&pipe, nullptr, &at_once) < 0 && errno == EINTR) {
        }
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return written;
}

std::size_t read_some(descriptor_state& f, mutable_view into) {
    constexpr const char* caller = "miou_unix::read";
    // A blocking descriptor must be waited for. One that filled the last buffer most likely has
    // more: the system call finds it without going through the reactor.
    if (!f.non_blocking() || f.expects_more()) {
        const ::ssize_t got = retry(wait_type::wait_read, f, caller,
                                    [&](int fd) { return ::read(fd, into.data, into.size); });
        return static_cast<std::size_t>(got);
    }
    for (;;)
        if (const auto got = run_operation(f, caller, [&](auto& view, auto handler) {
                view.async_read_some(asio::mutable_buffer{into.data, into.size}, handler);
            }))
            return *got;
}

} // namespace

file_descr tcpv4() {
    return new_socket(AF_INET, "miou_unix::tcpv4");
}
file_descr tcpv6() {
    return new_socket(AF_INET6, "miou_unix::tcpv6");
}

void bind_and_listen(const file_descr& f, const sockaddr& address) {
    bind_and_listen({}, f, address);
}

void bind_and_listen(bind_and_listen_options options, const file_descr& f,
                     const sockaddr& address) {
    constexpr const char* caller = "miou_unix::bind_and_listen";
    const auto held = f.state().open();
    if (address.family() != AF_UNIX) { // which has no ports
        set_option(held->number(), SO_REUSEADDR, options.reuseaddr, caller);
        set_option(held->number(), SO_REUSEPORT, options.reuseport, caller);
    }
    if (::bind(held->number(), address.data(), address.size()) != 0)
        throw_errno(errno, caller);
    if (f.state().kind() == descriptor_kind::stream_socket &&
        ::listen(held->number(), options.backlog) != 0)
        throw_errno(errno, caller);
}

std::pair<file_descr, sockaddr> accept(const file_descr& f) {
    return accept({}, f);
}

std::pair<file_descr, sockaddr> accept(accept_options options, const file_descr& f) {
    constexpr const char* caller = "miou_unix::accept";
    require_stream_socket(f.state(), caller);
    ::sockaddr_storage peer{};
    ::socklen_t size = 0;
    auto* const raw = reinterpret_cast<struct ::sockaddr*>(&peer);
    const int flags = SOCK_NONBLOCK | (options.cloexec ? SOCK_CLOEXEC : 0);
    const int fd = retry(wait_type::wait_read, f.state(), caller, [&](int listening) {
        size = sizeof peer;
        return ::accept4(listening, raw, &size, flags);
    });
    return {
        file_descr{std::make_shared<descriptor_state>(fd, descriptor_kind::stream_socket, true)},
        sockaddr{raw, size}};
}

void connect(const file_descr& f, const sockaddr& address) {
    constexpr const char* caller = "miou_unix::connect";
    require_stream_socket(f.state(), caller);
    if (!f.state().non_blocking())
        throw std::invalid_argument{std::string{caller} + ": the socket is in blocking mode"};
    const auto held = f.state().open();
    miou::consume_budget();
    if (::connect(held->number(), address.data(), address.size()) == 0)
        return;
    if (errno != EINPROGRESS && errno != EINTR)
        throw_errno(errno, caller);
    wait_until(wait_type::wait_write, f.state(), caller);
    int error = 0;
    ::socklen_t size = sizeof error;
    if (::getsockopt(held->number(), SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error != 0)
        throw_errno(error, caller);
}

std::size_t read(const file_descr& f, mutable_view buffer, slice part) {
    refuse_datagrams(f.state(), "miou_unix::read");
    const mutable_view into = part_of(buffer, part, "miou_unix::read");
    if (into.size == 0)
        return 0;
    const std::size_t got = read_some(f.state(), into);
    f.state().expect_more(got == into.size);
    return got;
}

void really_read(const file_descr& f, mutable_view buffer, slice part) {
    mutable_view rest = part_of(buffer, part, "miou_unix::really_read");
    while (rest.size != 0) {
        const std::size_t got = read(f, rest);
        if (got == 0)
            throw boost::system::system_error{asio::error::make_error_code(asio::error::eof),
                                              "miou_unix::really_read"};
        rest = part_of(rest, {.off = got}, "miou_unix::really_read");
    }
}

void write(const file_descr& f, const_view buffer, slice part) {
    constexpr const char* caller = "miou_unix::write";
    descriptor_state& state = f.state();
    refuse_datagrams(state, caller);
    const_view rest = part_of(buffer, part, caller);
    while (rest.size != 0) {
        const ::ssize_t written =
            retry(wait_type::wait_write, state, caller, [&](int fd) -> ::ssize_t {
                if (state.is_socket())
                    return ::send(fd, rest.data, rest.size, MSG_NOSIGNAL);
                return write_without_sigpipe(fd, rest.data, rest.size);
            });
        rest = part_of(rest, {.off = static_cast<std::size_t>(written)}, caller);
    }
}

void shutdown(const file_descr& f, int how) {
    if (::shutdown(f.state().open()->number(), how) != 0)
        throw_errno(errno, "miou_unix::shutdown");
}

sockaddr getsockname(const file_descr& f) {
    ::sockaddr_storage address{};
    ::socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<struct ::sockaddr*>(&address);
    if (::getsockname(f.state().open()->number(), raw, &size) != 0)
        throw_errno(errno, "miou_unix::getsockname");
    return sockaddr{raw, size};
}

} // namespace miou_unix
