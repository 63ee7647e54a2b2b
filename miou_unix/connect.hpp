// Connecting by name.
#pragma once

#include "miou_unix/file_descr.hpp"
#include "miou_unix/sockaddr.hpp"

#include <chrono>
#include <span>
#include <string_view>

namespace miou_unix {

/// How `connect` tries several addresses.
struct connect_options {
    /// For how long an attempt has the line to itself before the next one begins beside it; not
    /// negative.
    std::chrono::duration<double> attempt_delay = std::chrono::milliseconds{250};
    /// Where the address that has won is put; null: nowhere.
    sockaddr* winner = nullptr;
};

/// Connects to the TCP `service` of `host` (see `resolve`) and returns the new socket. Happy
/// Eyeballs (RFC 8305): the addresses are tried in the order of the resolver, families taking
/// turns; the next attempt begins when `.attempt_delay` has passed or one has failed, whatever is
/// first; the first that succeeds wins, and the others are cancelled.
///
/// Throws what `resolve` throws; when all attempts have failed `boost::system::system_error` with
/// the code of the first and a text that names each address with its error; `std::invalid_argument`
/// for a negative delay or NaN. Suspends; cancellable. No OCaml counterpart.
file_descr connect(std::string_view host, std::string_view service);
file_descr connect(connect_options options, std::string_view host, std::string_view service);

/// The same for addresses that are known. Throws `std::invalid_argument` if there are none.
file_descr connect(std::span<const sockaddr> addresses);
file_descr connect(connect_options options, std::span<const sockaddr> addresses);

} // namespace miou_unix
