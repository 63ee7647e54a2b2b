// Datagrams.
#pragma once

#include "miou/config.hpp"
#include "miou_unix/buffer.hpp"
#include "miou_unix/file_descr.hpp"
#include "miou_unix/sockaddr.hpp"

#include <cstddef>
#include <utility>

// What `socket.hpp` says about its functions applies to these, too. A datagram is received or sent
// as a whole or not at all, so a cancelled call has lost none.

namespace miou_unix {

/// A new UDP socket over IPv4 or IPv6, non-blocking, closed on exec. `bind_and_listen` binds it. If
/// an unbound socket sends, the system chooses a port. Any thread. Throws
/// `boost::system::system_error`, EMFILE for example. OCaml: `Miou_unix.udpv4`, `udpv6`.
MIOU_API file_descr udpv4();
MIOU_API file_descr udpv6();

/// Waits for a datagram, and puts it into `buffer`. Returns the number of bytes, and the address of
/// the sender (unspecified, if that is a socket of the UNIX domain without a name).
///
/// If the datagram is longer than `buffer`, the rest is lost, and the number is that of the bytes
/// that fit. With `MSG_TRUNC` in `flags` it is the length of the whole datagram, which reveals the
/// loss. 0 is an empty datagram, not an end. An empty `buffer` takes a datagram too; `MSG_PEEK`
/// leaves it in the queue.
///
/// Throws `std::invalid_argument` unless `f` is a datagram socket, and for a slice that is not
/// within the buffer. OCaml: `Miou_unix.recvfrom`.
MIOU_API std::pair<std::size_t, sockaddr> recvfrom(const file_descr& f, mutable_view buffer,
                                                   slice part = {}, int flags = 0);

/// Sends `buffer` as one datagram to `address`, and returns its length. Waits while there is no
/// room. Success does not mean that somebody receives it: UDP drops a datagram to a port where
/// nobody listens.
///
/// Throws `std::invalid_argument` unless `f` is a datagram socket, and for a slice that is not
/// within the buffer. Throws `boost::system::system_error`, for example EMSGSIZE for more than fits
/// into a datagram, EAFNOSUPPORT for an address of another family, ENOENT and ECONNREFUSED in the
/// UNIX domain. OCaml: `Miou_unix.sendto`.
MIOU_API std::size_t sendto(const file_descr& f, const_view buffer, const sockaddr& address,
                            slice part = {}, int flags = 0);

} // namespace miou_unix
