// Names of hosts and services.
#pragma once

#include "miou_unix/sockaddr.hpp"

#include <string_view>
#include <vector>

namespace miou_unix {

/// The addresses of `host` (a name or a numeric address; empty: this machine) for TCP, in the order
/// in which the system prefers them, at least one, with the port that `service` (a name or a
/// number; empty: 0) stands for. Asks the system's resolver on a worker thread, which does not wait
/// for functions of `blocking` (see `.workers` of `run_options`). Numbers, also wrong ones, and
/// names that are too long (more than 1,024 and 31 characters) are answered at once.
///
/// Throws `boost::system::system_error` whose text names both, with a code of Asio's
/// `netdb_errors` or `addrinfo_errors`; `std::invalid_argument` if both are empty, or one contains
/// a NUL; and what `blocking` throws. Suspends; cancellable at once: the question is then left
/// alone, but `run` does not return before the resolver has answered or given up.
/// OCaml: `Unix.getaddrinfo`.
std::vector<sockaddr> resolve(std::string_view host, std::string_view service);

} // namespace miou_unix
