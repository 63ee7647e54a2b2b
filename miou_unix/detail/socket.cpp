#include "miou_unix/socket.hpp"

#include "miou_unix/detail/errors.hpp"
#include "miou_unix/detail/operation.hpp"
#include "miou_unix/detail/waiting.hpp"
#include "miou_unix/sleep.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/system/system_error.hpp>

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

namespace miou_unix {

using namespace detail;

namespace {

void set_option(int fd, int option, bool on, const char* caller) {
    const int value = on;
    if (::setsockopt(fd, SOL_SOCKET, option, &value, sizeof value) != 0)
        throw_errno(errno, caller);
}

void require_stream_socket(const descriptor_state& f, const char* caller) {
    if (f.kind() != descriptor_kind::stream_socket)
        throw std::invalid_argument{std::string{caller} + ": this is not a stream socket"};
}

void refuse_datagrams(const descriptor_state& f, const char* caller) {
    if (f.kind() == descriptor_kind::datagram_socket)
        throw std::invalid_argument{std::string{caller} + ": this is a datagram socket"};
}

// --- Memory in one piece or in several -----------------------------------------------------------

constexpr std::size_t most_pieces = detail::pieces<const_view>::most;

/// The argument of `readv` and its relatives.
class io_vector {
public:
    template <class Views>
    explicit io_vector(const Views& views) noexcept {
        for (const auto& each : views)
            pieces_[size_++] = {const_cast<void*>(data_of(each)), size_of(each)};
    }
    ::iovec* data() noexcept { return pieces_.data(); }
    int size() const noexcept { return static_cast<int>(size_); }
    ::msghdr message() noexcept {
        ::msghdr made{};
        made.msg_iov = pieces_.data();
        made.msg_iovlen = size_;
        return made;
    }

private:
    static const void* data_of(const const_view& view) noexcept { return view.data; }
    static std::size_t size_of(const const_view& view) noexcept { return view.size; }
    static const void* data_of(const asio::mutable_buffer& b) noexcept { return b.data(); }
    static std::size_t size_of(const asio::mutable_buffer& b) noexcept { return b.size(); }

    std::array<::iovec, most_pieces> pieces_;
    std::size_t size_ = 0;
};

using several_buffers = std::span<const asio::mutable_buffer>;
using several_views = std::span<const const_view>;

::ssize_t read_once(int fd, const asio::mutable_buffer& into) noexcept {
    return ::read(fd, into.data(), into.size());
}
::ssize_t read_once(int fd, several_buffers into) noexcept {
    io_vector vector{into};
    return ::readv(fd, vector.data(), vector.size());
}

// MSG_DONTWAIT: another process that shares the socket may have put it into blocking mode.
::ssize_t receive_once(int fd, const asio::mutable_buffer& into) noexcept {
    return ::recv(fd, into.data(), into.size(), MSG_DONTWAIT);
}
::ssize_t receive_once(int fd, several_buffers into) noexcept {
    io_vector vector{into};
    ::msghdr message = vector.message();
    return ::recvmsg(fd, &message, MSG_DONTWAIT);
}

::ssize_t write_once(int fd, const const_view& from) noexcept {
    return ::write(fd, from.data, from.size);
}
::ssize_t write_once(int fd, several_views from) noexcept {
    io_vector vector{from};
    return ::writev(fd, vector.data(), vector.size());
}

::ssize_t send_once(int fd, const const_view& from) noexcept {
    return ::send(fd, from.data, from.size, MSG_NOSIGNAL);
}
::ssize_t send_once(int fd, several_views from) noexcept {
    io_vector vector{from};
    const ::msghdr message = vector.message();
    return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

// --- Reading and writing -------------------------------------------------------------------------

/// Makes `call`, which writes, report EPIPE without the signal. Blocks SIGPIPE in this thread
/// meanwhile, and takes the one that was raised, unless one was pending before.
template <class Call>
::ssize_t without_sigpipe(Call call) noexcept {
    sigset_t pipe, before, pending;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    ::sigpending(&pending);
    ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
    const ::ssize_t written = call();
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

/// Here and below, `Buffers` is `mutable_buffer` or `several_buffers`.
template <class Buffers>
::ssize_t read_once(const descriptor_state& f, int fd, const Buffers& into) noexcept {
    return f.is_socket() ? receive_once(fd, into) : read_once(fd, into);
}

/// Asio's read tries, waits if it finds nothing, and tries again. Where the first try is likely to
/// find something, we make it ourselves, because Asio costs more.
template <class Buffers>
class reading final : public operation {
public:
    reading(descriptor_state& f, const Buffers& into, const char* caller)
        : operation{f, caller}
        , into_{into} {}

private:
    bool attempt_on(const descriptor_state& f, int fd) noexcept override {
        const ::ssize_t got = read_once(f, fd, into_);
        if (got < 0 && (would_block(errno) || errno == EINTR))
            return false;
        set_result(got < 0 ? errno : 0, static_cast<std::size_t>(std::max<::ssize_t>(got, 0)));
        return true;
    }
    void start_on(registration& here, handler completion) override {
        here.with_view([&](auto& from) { receive(from, completion); });
    }
    void receive(asio_descriptor& from, handler completion) {
        from.async_read_some(into_, completion);
    }
    void receive(asio_socket& from, handler completion) { from.async_receive(into_, completion); }

    const Buffers& into_;
};

/// Reads in the task itself, not in the reactor, which reads before other tasks run: a whole buffer
/// would be out of the cache by the time this task sees it. `in_vain` becomes true if there was
/// nothing at first.
template <class Buffers>
std::size_t read_directly(descriptor_state& f, const Buffers& into, bool& in_vain,
                          const char* caller) {
    const ::ssize_t got = retry(wait_type::read, f, caller, [&](int fd) {
        const ::ssize_t now = read_once(f, fd, into);
        in_vain |= now < 0;
        return now;
    });
    return static_cast<std::size_t>(got);
}

template <class Buffers>
std::size_t read_by_reactor(descriptor_state& f, const Buffers& into, const char* caller) {
    miou::consume_budget(caller);
    return reading{f, into, caller}.run();
}

template <class Buffers>
std::size_t read_into(const file_descr& f, const Buffers& into) {
    constexpr const char* caller = "miou_unix::read";
    descriptor_state& state = f.state(caller);
    refuse_datagrams(state, caller);
    const std::size_t size = asio::buffer_size(into);
    if (size == 0)
        return 0;
    bool in_vain = false;
    const std::size_t got = state.may_have_more() || !state.non_blocking()
                                ? read_directly(state, into, in_vain, caller)
                                : read_by_reactor(state, into, caller);
    // If there was nothing at first, the peer may send as much at a time, and wait for the answer.
    state.set_may_have_more(got == size && !in_vain);
    return got;
}

descriptor_state& writable(const file_descr& f) {
    constexpr const char* caller = "miou_unix::write";
    descriptor_state& state = f.state(caller);
    refuse_datagrams(state, caller);
    return state;
}

/// Writes a part of `from`, a `const_view` or `several_views`.
template <class Views>
std::size_t write_from(descriptor_state& state, const Views& from) {
    const ::ssize_t written =
        retry(wait_type::write, state, "miou_unix::write", [&](int fd) -> ::ssize_t {
            if (state.is_socket())
                return send_once(fd, from);
            return without_sigpipe([&] { return write_once(fd, from); });
        });
    return static_cast<std::size_t>(written);
}

/// An address of `f`, by the system call `ask`.
template <class Ask>
sockaddr address_of(const file_descr& f, Ask ask, const char* caller) {
    sockaddr_buffer address;
    if (ask(f.state(caller).open(caller)->number(), address.data(), &address.size) != 0)
        throw_errno(errno, caller);
    return address.value();
}

[[noreturn]] void throw_end_of_stream() {
    throw boost::system::system_error{asio::error::make_error_code(asio::error::eof),
                                      "miou_unix::really_read"};
}

} // namespace

file_descr tcpv4() {
    return new_socket(AF_INET, SOCK_STREAM, "miou_unix::tcpv4");
}
file_descr tcpv6() {
    return new_socket(AF_INET6, SOCK_STREAM, "miou_unix::tcpv6");
}
file_descr unix_socket() {
    return new_socket(AF_UNIX, SOCK_STREAM, "miou_unix::unix_socket");
}

void bind_and_listen(const file_descr& f, const sockaddr& address) {
    bind_and_listen({}, f, address);
}

void bind_and_listen(bind_and_listen_options options, const file_descr& f,
                     const sockaddr& address) {
    constexpr const char* caller = "miou_unix::bind_and_listen";
    descriptor_state& state = f.state(caller);
    const auto held = state.open(caller);
    if (address.family() != AF_UNIX) { // which has no ports
        set_option(held->number(), SO_REUSEADDR, options.reuseaddr, caller);
        set_option(held->number(), SO_REUSEPORT, options.reuseport, caller);
    }
    if (::bind(held->number(), address.data(), address.size()) != 0)
        throw_errno(errno, caller);
    if (state.kind() == descriptor_kind::stream_socket &&
        ::listen(held->number(), options.backlog) != 0)
        throw_errno(errno, caller);
}

std::pair<file_descr, sockaddr> accept(const file_descr& f) {
    return accept({}, f);
}

std::pair<file_descr, sockaddr> accept(accept_options options, const file_descr& f) {
    constexpr const char* caller = "miou_unix::accept";
    descriptor_state& state = f.state(caller);
    require_stream_socket(state, caller);
    auto made = std::make_shared<descriptor_state>(descriptor_kind::stream_socket, true);
    sockaddr_buffer peer;
    const int flags = SOCK_NONBLOCK | (options.cloexec ? SOCK_CLOEXEC : 0);
    const int fd = retry(wait_type::read, state, caller, [&](int listening) {
        const int accepted = ::accept4(listening, peer.data(), &peer.size, flags);
        if (accepted < 0 && errno == ECONNABORTED) // by the peer: accept the next one
            errno = EINTR;
        return accepted;
    });
    made->adopt(fd);
    return {file_descr{std::move(made)}, peer.value()};
}

void connect(const file_descr& f, const sockaddr& address) {
    constexpr const char* caller = "miou_unix::connect";
    descriptor_state& state = f.state(caller);
    require_stream_socket(state, caller);
    if (!state.non_blocking())
        throw std::invalid_argument{std::string{caller} + ": the socket is in blocking mode"};
    miou::consume_budget(caller);
    for (;;) {
        const int connected = state.with_number(
            caller, [&](int fd) { return ::connect(fd, address.data(), address.size()); });
        if (connected == 0)
            return;
        if (errno == EINPROGRESS || errno == EINTR)
            break;
        if (!would_block(errno) || address.family() != AF_UNIX)
            throw_errno(errno, caller);
        // In the UNIX domain: too many wait to be accepted, and nothing tells when one is.
        sleep(0.001);
    }
    wait_until_ready(wait_type::write, state, caller);
    const int error = state.with_number(caller, [](int fd) {
        int found = 0;
        ::socklen_t size = sizeof found;
        return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &found, &size) == 0 ? found : errno;
    });
    if (error != 0)
        throw_errno(error, caller);
}

std::size_t read(const file_descr& f, mutable_view buffer) {
    return read_into(f, asio::mutable_buffer{buffer.data, buffer.size});
}

std::size_t read(const file_descr& f, mutable_view buffer, slice part) {
    return read(f, part_of(buffer, part, "miou_unix::read"));
}

std::size_t detail::read_some(const file_descr& f, const pieces<mutable_view>& into) {
    std::array<asio::mutable_buffer, most_pieces> buffers;
    std::size_t size = 0;
    for (const mutable_view& each : into.views())
        buffers[size++] = {each.data, each.size};
    return read_into(f, several_buffers{buffers.data(), size});
}

void really_read(const file_descr& f, mutable_view buffer, slice part) {
    mutable_view rest = part_of(buffer, part, "miou_unix::really_read");
    while (rest.size != 0) {
        const std::size_t got = read(f, rest);
        if (got == 0)
            throw_end_of_stream();
        rest = part_of(rest, {.off = got}, "miou_unix::really_read");
    }
}

void detail::read_all(const file_descr& f, pieces<mutable_view>& into) {
    while (!into.empty()) {
        const std::size_t got = read_some(f, into);
        if (got == 0)
            throw_end_of_stream();
        into.consume(got);
    }
}

void write(const file_descr& f, const_view buffer) {
    descriptor_state& state = writable(f);
    while (buffer.size != 0)
        buffer = part_of(buffer, {.off = write_from(state, buffer)}, "miou_unix::write");
}

void write(const file_descr& f, const_view buffer, slice part) {
    write(f, part_of(buffer, part, "miou_unix::write"));
}

void detail::write_all(const file_descr& f, pieces<const_view>& from) {
    descriptor_state& state = writable(f);
    while (!from.empty())
        from.consume(write_from(state, from.views()));
}

void shutdown(const file_descr& f, int how) {
    constexpr const char* caller = "miou_unix::shutdown";
    if (::shutdown(f.state(caller).open(caller)->number(), how) != 0)
        throw_errno(errno, caller);
}

sockaddr getsockname(const file_descr& f) {
    return address_of(f, ::getsockname, "miou_unix::getsockname");
}

sockaddr getpeername(const file_descr& f) {
    return address_of(f, ::getpeername, "miou_unix::getpeername");
}

} // namespace miou_unix
