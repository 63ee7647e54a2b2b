// Connecting by name.
#pragma once

#include "miou/config.hpp"
#include "miou_unix/file_descr.hpp"
#include "miou_unix/sockaddr.hpp"

#include <chrono>
#include <span>
#include <string_view>

namespace miou_unix {

/// How `connect` tries several addresses.
struct connect_options {
    /// How long an attempt runs before the next one begins beside it; not negative.
    std::chrono::duration<double> attempt_delay = std::chrono::milliseconds{250};
    /// Receives the address that has won, unless it is null.
    sockaddr* winner = nullptr;
};

/// Connects to the TCP `service` of `host` (see `resolve`), and returns the new socket. Happy
/// Eyeballs (RFC 8305): tries the addresses in the order of the resolver, with families
/// alternating. The next attempt begins when `.attempt_delay` has passed or an attempt has failed,
/// whatever comes first. The first attempt that succeeds wins, and the others are cancelled.
///
/// Throws what `resolve` throws. If all attempts have failed, throws `boost::system::system_error`
/// with the code of the first and a text that names each address with its error. Throws
/// `std::invalid_argument` for a negative delay or NaN. Suspends; cancellable. No OCaml
/// counterpart.
MIOU_API file_descr connect(std::string_view host, std::string_view service);
MIOU_API file_descr connect(connect_options options, std::string_view host,
                            std::string_view service);

/// The same for addresses that are known. Throws `std::invalid_argument` if there are none.
MIOU_API file_descr connect(std::span<const sockaddr> addresses);
MIOU_API file_descr connect(connect_options options, std::span<const sockaddr> addresses);

} // namespace miou_unix
