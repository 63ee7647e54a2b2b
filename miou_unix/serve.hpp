// Servers that end well.
#pragma once

#include "miou/config.hpp"
#include "miou/orphans.hpp"
#include "miou/unique_function.hpp"
#include "miou_unix/file_descr.hpp"
#include "miou_unix/sockaddr.hpp"
#include "miou_unix/stop_request.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace miou_unix {

/// Waits until the tasks in `tasks` have finished, but not for longer than `grace` (not negative).
/// Then cancels those that are left, all at once, and waits until they have unwound. Returns a
/// description of each task that it had to cancel: "task 12 (spawned at server.cpp:45)". Logs what
/// the tasks throw: ECONNRESET, EPIPE and ENOTCONN, which mean that the peer has gone, at level
/// `debug`, the rest as a warning.
///
/// Throws `std::invalid_argument` in a task that does not own `tasks`, and for a `grace` that is
/// negative or NaN; `miou::cancelled` and `miou::no_select_provided`. Suspends; cancellable: the
/// tasks stay in `tasks` then. No OCaml counterpart.
MIOU_API std::vector<std::string> drain(miou::orphans<void>& tasks,
                                        std::chrono::duration<double> grace);

/// How `serve` ends.
struct serve_options {
    /// How long connections may go on after the stop was requested; not negative.
    std::chrono::duration<double> grace = std::chrono::seconds{10};
};

/// What a server does with a connection, in a task of its own.
using connection_handler = miou::unique_function<void(file_descr connection, sockaddr peer)>;

/// Accepts connections on `listening`, a stream socket, until `stop` is made. Calls `handle` for
/// each in a child on this domain. At the stop, closes `listening`, waits for the connections as
/// `drain` does, and returns what `drain` returns. Servers on several domains may share one
/// listening socket, or have one each with `.reuseport`.
///
/// A connection is closed when `handle` has ended, unless it was released. An exception of `handle`
/// ends only that connection, and is logged as by `drain`. When the system is out of descriptors or
/// memory, clients wait in the queue, and `serve` tries again every 100 ms. It ignores errors that
/// concern only one connection. Throws the other errors of `accept`. The connections are cancelled
/// then, and when the running task is cancelled. Suspends; cancellable. No OCaml counterpart.
[[nodiscard]] MIOU_API std::vector<std::string>
serve(serve_options options, const file_descr& listening, stop_request stop,
      connection_handler handle, boost::source_location site = BOOST_CURRENT_LOCATION);
[[nodiscard]] MIOU_API std::vector<std::string>
serve(const file_descr& listening, stop_request stop, connection_handler handle,
      boost::source_location site = BOOST_CURRENT_LOCATION);

} // namespace miou_unix
