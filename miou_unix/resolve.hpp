// Names of hosts and services.
#pragma once

#include "miou/config.hpp"
#include "miou_unix/sockaddr.hpp"

#include <string_view>
#include <vector>

namespace miou_unix {

/// The TCP addresses of `host` (a name or a numeric address; empty: this machine), with the port of
/// `service` (a name or a number; empty: 0). At least one, in the order in which the system prefers
/// them. Asks the system's resolver on a worker thread, which never waits for functions of
/// `blocking` (see `.workers` of `run_options`). Answers at once for numbers, even wrong ones, and
/// for names that are too long (more than 1,024 and 31 characters).
///
/// Throws `boost::system::system_error` with a code of Asio's `netdb_errors` or `addrinfo_errors`,
/// and a text that names both arguments. Throws `std::invalid_argument` if both are empty, or one
/// contains a NUL, and what `blocking` throws. Suspends; cancellable at once. The resolver is left
/// alone then, but `run` does not return before it has answered or given up. OCaml:
/// `Unix.getaddrinfo`.
MIOU_API std::vector<sockaddr> resolve(std::string_view host, std::string_view service);

} // namespace miou_unix
