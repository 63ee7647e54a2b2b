// The errors of system calls, and what they mean.
#pragma once

#include <boost/system/error_code.hpp>

namespace miou_unix::detail {

/// Throws `boost::system::system_error` with `error` (an errno), naming `caller`.
[[noreturn]] void throw_errno(int error, const char* caller);
/// The same for an error of Asio.
[[noreturn]] void throw_error(const boost::system::error_code& error, const char* caller);

/// Whether the call found nothing to do: wait, and call again.
bool would_block(int error) noexcept;

/// Whether `error`, of `accept`, concerns only the connection: that has failed, on its way or by a
/// rule of the firewall. The listening socket is fine, and the next connection may be there.
bool is_passing_accept_error(const boost::system::error_code& error) noexcept;

/// Whether `error`, of `accept`, says that the system is out of descriptors or memory. The
/// connection waits, and nothing tells when there is more.
bool is_lack_of_resources(const boost::system::error_code& error) noexcept;

} // namespace miou_unix::detail
