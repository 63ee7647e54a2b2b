// Operations of Asio, and of libraries built on it, for the tests of `use_fiber`.
#pragma once

#include "miou_unix/executor.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <utility>

namespace test {

/// An asynchronous operation that calls `start` with its handler.
template <class Signature, class Start, class Token>
auto async_by(Start start, Token&& token) {
    return boost::asio::async_initiate<Token, Signature>(
        [&](auto handler) { start(std::move(handler)); }, token);
}

/// Client and server of a connection over loopback. Suspends.
inline std::pair<boost::asio::ip::tcp::socket, boost::asio::ip::tcp::socket> asio_connection() {
    using boost::asio::ip::tcp;
    tcp::acceptor from{miou_unix::executor(), {boost::asio::ip::address_v4::loopback(), 0}};
    tcp::socket client{miou_unix::executor()};
    client.async_connect(from.local_endpoint(), miou_unix::use_fiber);
    return {std::move(client), from.async_accept(miou_unix::use_fiber)};
}

inline boost::asio::steady_timer endless_timer() {
    return {miou_unix::executor(), boost::asio::steady_timer::time_point::max()};
}

} // namespace test
