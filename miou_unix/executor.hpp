// Where Asio's objects live.
#pragma once

#include "miou/config.hpp"

#include <boost/asio/io_context.hpp>

namespace miou_unix {

/// The executor of the calling domain's reactor, to build Asio's objects on: sockets, timers,
/// resolvers, streams. An object that is built on it belongs to the domain: only the domain's tasks
/// should use it, and it must be destroyed before `run` returns, as the locals of a task are. The
/// domain runs its handlers between two tasks, so they must not call functions that suspend.
///
/// Throws `miou::outside_of_task`, and `miou::no_select_provided` unless the task is one of
/// `miou_unix::run`. Does not suspend. No OCaml counterpart.
MIOU_API boost::asio::io_context::executor_type executor();

} // namespace miou_unix
