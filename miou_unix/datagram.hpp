// Datagrams.
#pragma once

#include "miou_unix/buffer.hpp"
#include "miou_unix/file_descr.hpp"
#include "miou_unix/sockaddr.hpp"

#include <cstddef>
#include <utility>

// What `socket.hpp` says of its functions holds for these. A datagram is received or sent as a
// whole or not at all: a cancelled call has lost none.

namespace miou_unix {

/// A new UDP socket over IPv4 or IPv6, non-blocking, closed on exec. `bind_and_listen` binds it;
/// the system chooses a port when one that is not bound sends. Any thread. Throws
/// `boost::system::system_error`, EMFILE for example. OCaml: `Miou_unix.udpv4`, `udpv6`.
file_descr udpv4();
file_descr udpv6();

/// Waits for a datagram, puts it into `buffer` and returns how many bytes that were, and who has
/// sent it (an unspecified address, if that socket of the UNIX domain has no name).
///
/// Of a datagram that is longer than `buffer` the rest is lost, and the number is that of the bytes
/// that fit; with `MSG_TRUNC` in `flags` it is that of the whole datagram, which tells. 0 is an
/// empty datagram, not an end. An empty `buffer` takes a datagram too; `MSG_PEEK` leaves it there.
///
/// Throws `std::invalid_argument` for a stream socket or what is no socket, and for a slice that is
/// not within the buffer. OCaml: `Miou_unix.recvfrom`.
std::pair<std::size_t, sockaddr> recvfrom(const file_descr& f, mutable_view buffer, slice part = {},
                                          int flags = 0);

/// Sends `buffer` as one datagram to `address` and returns its length; waits while there is no
/// room. That it was sent does not say that somebody receives it: on a port where nobody listens
/// UDP drops it.
///
/// Throws `std::invalid_argument` for a stream socket or what is no socket, and for a slice that is
/// not within the buffer; `boost::system::system_error`, for example EMSGSIZE for more than fits
/// into a datagram, EAFNOSUPPORT for an address of another family, ENOENT and ECONNREFUSED in the
/// UNIX domain. OCaml: `Miou_unix.sendto`.
std::size_t sendto(const file_descr& f, const_view buffer, const sockaddr& address, slice part = {},
                   int flags = 0);

} // namespace miou_unix
