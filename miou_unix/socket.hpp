// Input and output that parks only the calling task.
#pragma once

#include "miou/config.hpp"
#include "miou_unix/buffer.hpp"
#include "miou_unix/buffer_sequence.hpp"
#include "miou_unix/file_descr.hpp"
#include "miou_unix/sockaddr.hpp"

#include <cstddef>
#include <utility>

// Every function here that suspends:
// - needs a task of `miou_unix::run` (`miou::outside_of_task`, `miou::no_select_provided`);
// - is cancellable (`miou::cancelled`), but returns what has completed, so that no bytes are lost;
// - lets other tasks run when it succeeds again and again;
// - retries EINTR and EAGAIN, and throws other errors as `boost::system::system_error`.

namespace miou_unix {

/// A new TCP socket over IPv4 or IPv6, non-blocking, closed on exec. Any thread. Throws
/// `boost::system::system_error`, EMFILE for example. OCaml: `Miou_unix.tcpv4`, `tcpv6`.
MIOU_API file_descr tcpv4();
MIOU_API file_descr tcpv6();

/// A new stream socket of the UNIX domain; otherwise like `tcpv4`. OCaml: `Miou_unix.unix_socket`.
MIOU_API file_descr unix_socket();

/// The options of `bind_and_listen`.
struct bind_and_listen_options {
    int backlog = 128; // connections that wait to be accepted
    bool reuseaddr = true;
    bool reuseport = true; // several servers, on several domains, share the port
};

/// Binds `f` to `address`, and listens unless it is a datagram socket. With datagram sockets,
/// either `reuse` option lets several of them share a port. A path of the UNIX domain must not
/// exist yet, and stays when `f` is closed: unlink it. Any thread. Does not suspend. Throws
/// `boost::system::system_error`, EADDRINUSE for example. OCaml: `Miou_unix.bind_and_listen`.
MIOU_API void bind_and_listen(const file_descr& f, const sockaddr& address);
MIOU_API void bind_and_listen(bind_and_listen_options options, const file_descr& f,
                              const sockaddr& address);

/// What `accept` does to the descriptor it returns.
struct accept_options {
    bool cloexec = true;
};

/// Waits for a connection, and returns it, non-blocking, with the address of the peer. Skips a
/// connection that the peer has aborted. Throws `std::invalid_argument` unless `f` is a stream
/// socket. Throws network errors that the connection met on its way, EHOSTUNREACH for example: the
/// next call may return another connection. EMFILE leaves the connection in the queue: close
/// something before you try again. OCaml: `Miou_unix.accept`.
MIOU_API std::pair<file_descr, sockaddr> accept(const file_descr& f);
MIOU_API std::pair<file_descr, sockaddr> accept(accept_options options, const file_descr& f);

/// Connects `f` to `address`. Throws `std::invalid_argument` unless `f` is a stream socket in
/// non-blocking mode. After an error or a cancellation, close `f`. OCaml: `Miou_unix.connect`.
MIOU_API void connect(const file_descr& f, const sockaddr& address);

/// Reads what there is, at least one byte, into `buffer`. Returns the number of bytes, 0 at the end
/// of the stream (or for an empty buffer). Throws `std::invalid_argument` for a datagram socket,
/// and for a slice that is not within the buffer. OCaml: `Miou_unix.read`.
[[nodiscard]] MIOU_API std::size_t read(const file_descr& f, mutable_view buffer);
[[nodiscard]] MIOU_API std::size_t read(const file_descr& f, mutable_view buffer, slice part);

/// Fills `buffer`. Throws `boost::system::system_error` (`asio::error::eof`) if the stream ends
/// before that. Otherwise like `read`. OCaml: `Miou_unix.really_read`.
MIOU_API void really_read(const file_descr& f, mutable_view buffer, slice part = {});

/// Writes all of `buffer`. EPIPE is an error, not a signal. Throws `std::invalid_argument` for a
/// datagram socket, and for a slice that is not within the buffer. After an error or a cancellation
/// a part may have been written. OCaml: `Miou_unix.write`.
MIOU_API void write(const file_descr& f, const_view buffer);
MIOU_API void write(const file_descr& f, const_view buffer, slice part);

namespace detail {
MIOU_API std::size_t read_some(const file_descr& f, const pieces<mutable_view>& into);
MIOU_API void read_all(const file_descr& f, pieces<mutable_view>& into);
MIOU_API void write_all(const file_descr& f, pieces<const_view>& from);
} // namespace detail

/// The same for memory in several pieces, in the order of the sequence. One system call reads or
/// writes up to 32 pieces. `read` makes one such call, so it uses at most the first 32.
template <class S>
requires buffer_sequence<S, mutable_view>
[[nodiscard]] std::size_t read(const file_descr& f, const S& buffers) {
    std::size_t got = 0;
    detail::in_pieces<mutable_view>(buffers, [&](detail::pieces<mutable_view>& some) {
        got = detail::read_some(f, some);
        return false;
    });
    return got;
}
template <class S>
requires buffer_sequence<S, mutable_view>
void really_read(const file_descr& f, const S& buffers) {
    detail::in_pieces<mutable_view>(buffers, [&](detail::pieces<mutable_view>& some) {
        detail::read_all(f, some);
        return true;
    });
}
template <class S>
requires buffer_sequence<S, const_view>
void write(const file_descr& f, const S& buffers) {
    detail::in_pieces<const_view>(buffers, [&](detail::pieces<const_view>& some) {
        detail::write_all(f, some);
        return true;
    });
}

/// Shuts down one direction or both (`SHUT_RD`, `SHUT_WR`, `SHUT_RDWR`). Throws
/// `boost::system::system_error`, ENOTCONN for example. Any thread. Does not suspend. OCaml:
/// `Unix.shutdown`.
MIOU_API void shutdown(const file_descr& f, int how);

/// The address that `f` is bound to, with the port if the system chose that. Throws
/// `boost::system::system_error`. Any thread. Does not suspend. OCaml: `Unix.getsockname`.
MIOU_API sockaddr getsockname(const file_descr& f);

/// The address that `f` is connected to. Throws `boost::system::system_error`, ENOTCONN for
/// example. Any thread. Does not suspend. OCaml: `Unix.getpeername`.
MIOU_API sockaddr getpeername(const file_descr& f);

} // namespace miou_unix
