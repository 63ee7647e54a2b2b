// Servers that end well.
#pragma once

#include "miou/orphans.hpp"
#include "miou/unique_function.hpp"
#include "miou_unix/file_descr.hpp"
#include "miou_unix/sockaddr.hpp"
#include "miou_unix/stop_request.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace miou_unix {

/// Waits until the tasks in `tasks` have finished, but not for longer than `grace` (not negative);
/// then cancels those that are left, all at once, and waits until they have unwound. Returns a
/// description of each that it had to cancel: "task 12 (spawned at server.cpp:45)". What the tasks
/// throw is logged: ECONNRESET, EPIPE and ENOTCONN, by which a peer has gone, for debugging, the
/// rest as a warning.
///
/// Throws `std::invalid_argument` in a task that does not own `tasks`, for a negative `grace` and
/// NaN, `miou::cancelled` and `miou::no_select_provided`. Suspends; cancellable: the tasks then
/// stay in `tasks`. No OCaml counterpart.
std::vector<std::string> drain(miou::orphans<void>& tasks, std::chrono::duration<double> grace);

/// How `serve` ends.
struct serve_options {
    /// For how long connections may go on after the stop was requested; not negative.
    std::chrono::duration<double> grace = std::chrono::seconds{10};
};

/// What a server does with a connection, in a task of its own.
using connection_handler = miou::unique_function<void(file_descr connection, sockaddr peer)>;

/// Accepts connections on `listening`, a stream socket, and calls `handle` in a child for each, on
/// this domain, until `stop` is made. Then closes `listening`, waits for the connections as
/// `drain` does, and returns what that returns. Servers on several domains may share one listening
/// socket, or have one each with `.reuseport`.
///
/// A connection is closed when `handle` has ended, unless it was released. What `handle` throws
/// ends that connection alone, and is logged as `drain` does. When the system is out of
/// descriptors or memory, clients wait in the queue, and `serve` tries again every 100 ms. Passing
/// errors of the network are passed over. Throws what `accept` throws otherwise; the connections
/// are cancelled then, as when the running task is. Suspends; cancellable. No OCaml counterpart.
[[nodiscard]] std::vector<std::string> serve(serve_options options, const file_descr& listening,
                                             stop_request stop, connection_handler handle,
                                             boost::source_location site = BOOST_CURRENT_LOCATION);
[[nodiscard]] std::vector<std::string> serve(const file_descr& listening, stop_request stop,
                                             connection_handler handle,
                                             boost::source_location site = BOOST_CURRENT_LOCATION);

} // namespace miou_unix
