// The errors of system calls, and what they say.
#pragma once

#include <boost/system/error_code.hpp>

namespace miou_unix::detail {

/// Throws `boost::system::system_error` with `error` (an errno), naming `caller`.
[[noreturn]] void throw_errno(int error, const char* caller);
/// The same for an error of Asio.
[[noreturn]] void throw_error(const boost::system::error_code& error, const char* caller);

/// The call found nothing to do: wait, and call again.
bool would_block(int error) noexcept;

/// By `accept`: the connection that was to be accepted has failed, on its way or by a rule of the
/// firewall; the next one may be there. Says nothing of the listening socket.
bool is_passing_accept_error(const boost::system::error_code& error) noexcept;

/// By `accept`: the system is out of descriptors or memory. The connection waits, and nothing tells
/// when there is more.
bool is_lack_of_resources(const boost::system::error_code& error) noexcept;

} // namespace miou_unix::detail
