// The same echo server in three styles, each on one thread.
#pragma once

#include <cstddef>

namespace bench::echo {

/// Sends back what comes on the connections to `listening`, a non-blocking socket, until the
/// process is killed. Reads at most `buffer` bytes at a time.
using server = void(int listening, std::size_t buffer);

server serve_raw_epoll; // the floor
server serve_asio_callbacks;
server serve_miou;
/// The same beside 200 tasks that compute for 50 us between two yields.
server serve_miou_while_computing;

constexpr int computing_tasks = 200;
constexpr double computing_us = 50;

} // namespace bench::echo
