// Operations of Asio, and of libraries built on it, that are cancelled and then repeated on the
// same objects. The program is compiled without Asio's reuse of memory, so the sanitizers see what
// a cancelled call leaves behind.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/process.hpp"
#include "support/tasks.hpp"
#include "support/tls.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace experimental = asio::experimental;
namespace http = beast::http;
namespace ssl = asio::ssl;
namespace websocket = beast::websocket;
namespace this_coro = asio::this_coro;
using namespace std::chrono_literals;
using asio::awaitable;
using asio::deferred;
using asio::use_awaitable;
using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;
using miou_unix::executor;
using miou_unix::use_fiber;
using test::tls;
using stream = asio::local::stream_protocol::socket;

std::pair<stream, stream> connection() {
    stream a{executor()}, b{executor()};
    asio::local::connect_pair(a, b);
    return {std::move(a), std::move(b)};
}

asio::steady_timer endless_timer() {
    return {executor(), asio::steady_timer::time_point::max()};
}

/// Runs `body` on every domain at the same time. No descriptor may be left.
void on_every_domain(const std::function<void()>& body) {
    const std::size_t before = test::open_descriptors();
    miou_unix::run({.domains = test::domains()}, [&] {
        const auto here = miou::async(body);
        if (const auto others = miou::domain::all(); !others.empty())
            for (const auto& outcome : miou::parallel([&](miou::domain_uid) { body(); }, others))
                outcome.value();
        miou::await_exn(here);
    });
    EXPECT_EQ(test::open_descriptors(), before);
}

constexpr int times = 1000;

/// Runs `call` in a task and cancels the task, `times` times. Each task has the same stack, so the
/// objects of the call lie at the same addresses.
void cancel_again_and_again(const std::function<void()>& call) {
    for (int i = 0; i < times; ++i) {
        const auto task = miou::async([&] { call(); });
        for (int steps = i % 4; steps != 0; --steps)
            miou::yield();
        miou::cancel(task);
        ASSERT_TRUE(test::failed_with<miou::cancelled>(miou::await(task)));
    }
}

TEST(use_fiber_libraries, timers) {
    on_every_domain([] {
        asio::steady_timer timer = endless_timer();
        cancel_again_and_again([&] { timer.async_wait(use_fiber); });
        timer.expires_after(0s);
        timer.async_wait(use_fiber);
    });
}

TEST(use_fiber_libraries, reads_and_waits_of_sockets) {
    on_every_domain([] {
        auto [a, b] = connection();
        char data[10];
        cancel_again_and_again([&] { a.async_read_some(asio::buffer(data), use_fiber); });
        cancel_again_and_again([&] { a.async_wait(stream::wait_read, use_fiber); });
        asio::write(b, asio::buffer("yes", 3));
        EXPECT_EQ(a.async_read_some(asio::buffer(data), use_fiber), 3u);
    });
}

TEST(use_fiber_libraries, accepts_and_datagrams) {
    on_every_domain([] {
        const auto loopback = asio::ip::address_v4::loopback();
        tcp::acceptor acceptor{executor(), {loopback, 0}};
        cancel_again_and_again([&] { acceptor.async_accept(use_fiber); });
        udp::socket receiver{executor(), {loopback, 0}};
        udp::endpoint from;
        char data[10];
        cancel_again_and_again(
            [&] { receiver.async_receive_from(asio::buffer(data), from, use_fiber); });
    });
}

TEST(use_fiber_libraries, composed_reads_and_writes) {
    on_every_domain([] {
        auto [a, b] = connection();
        std::string data(10, '\0');
        cancel_again_and_again([&] { asio::async_read(a, asio::buffer(data), use_fiber); });
        cancel_again_and_again(
            [&] { asio::async_read_until(a, asio::dynamic_buffer(data), '\n', use_fiber); });
        const std::string much(1'000'000, 'x');
        cancel_again_and_again([&] { asio::async_write(a, asio::buffer(much), use_fiber); });
    });
}

TEST(use_fiber_libraries, connects_to_a_range_of_addresses) {
    on_every_domain([] {
        // No task accepts, and the queue is full: the next client waits.
        tcp::acceptor full{executor(), tcp::v4()};
        full.bind({asio::ip::address_v4::loopback(), 0});
        full.listen(0);
        tcp::socket first{executor()};
        first.connect(full.local_endpoint());
        const std::vector<tcp::endpoint> endpoints(3, full.local_endpoint());
        tcp::socket socket{executor()};
        cancel_again_and_again([&] { asio::async_connect(socket, endpoints, use_fiber); });
    });
}

TEST(use_fiber_libraries, resolvers_which_cannot_be_cancelled) {
    on_every_domain([] {
        tcp::resolver resolver{executor()};
        for (int i = 0; i < times; ++i) {
            const auto task = miou::async(
                [&] { return resolver.async_resolve("127.0.0.1", "80", use_fiber).size(); });
            miou::yield();
            miou::cancel(task);
        }
        EXPECT_EQ(resolver.async_resolve("127.0.0.1", "80", use_fiber).size(), 1u);
    });
}

TEST(use_fiber_libraries, signal_sets) {
    on_every_domain([] {
        asio::signal_set signals{executor(), SIGUSR2};
        cancel_again_and_again([&] { signals.async_wait(use_fiber); });
    });
}

TEST(use_fiber_libraries, channels) {
    on_every_domain([] {
        experimental::channel<void(error_code, std::string)> channel{executor(), 0};
        cancel_again_and_again([&] { channel.async_receive(use_fiber); });
        cancel_again_and_again([&] { channel.async_send(error_code{}, "lost", use_fiber); });
        const auto sender =
            miou::async([&] { channel.async_send(error_code{}, "kept", use_fiber); });
        EXPECT_EQ(channel.async_receive(use_fiber), "kept");
        miou::await_exn(sender);
    });
}

TEST(use_fiber_libraries, parallel_groups) {
    on_every_domain([] {
        auto [a, b] = connection();
        asio::steady_timer timer = endless_timer();
        std::string data(10, '\0');
        for (int i = 0; i < times; ++i) {
            bool aborted = false;
            const auto task = miou::async([&] {
                const auto [order, of_timer, of_read, count] =
                    experimental::make_parallel_group(
                        timer.async_wait(deferred),
                        asio::async_read(a, asio::buffer(data), deferred))
                        .async_wait(experimental::wait_for_all{}, use_fiber);
                aborted = of_timer == asio::error::operation_aborted &&
                          of_read == asio::error::operation_aborted && count == 0;
            });
            miou::yield();
            miou::cancel(task);
            ASSERT_TRUE(aborted); // a group has an outcome, which is returned
        }
    });
}

/// An executor that never runs a function at once, not even if it is dispatched in a handler.
auto queueing() {
    return asio::require(executor(), asio::execution::blocking.never);
}

awaitable<void> wait_forever() {
    for (;;) {
        asio::steady_timer timer{co_await this_coro::executor, 1ms};
        co_await timer.async_wait(use_awaitable);
    }
}

awaitable<void> read_forever(stream& from) {
    std::string data(10, '\0');
    for (;;)
        co_await asio::async_read(from, asio::buffer(data), use_awaitable);
}

TEST(use_fiber_libraries, coroutines) {
    on_every_domain([] {
        auto [a, b] = connection();
        cancel_again_and_again([] { asio::co_spawn(executor(), wait_forever(), use_fiber); });
        cancel_again_and_again([&] { asio::co_spawn(executor(), read_forever(a), use_fiber); });
        cancel_again_and_again([] { asio::co_spawn(queueing(), wait_forever(), use_fiber); });
    });
}

TEST(use_fiber_libraries, coroutines_on_a_strand) {
    on_every_domain([] {
        auto [a, b] = connection();
        const auto strand = asio::make_strand(executor());
        cancel_again_and_again([&] { asio::co_spawn(strand, wait_forever(), use_fiber); });
        cancel_again_and_again([&] { asio::co_spawn(strand, read_forever(a), use_fiber); });
        const auto inner = asio::make_strand(strand);
        cancel_again_and_again([&] { asio::co_spawn(inner, wait_forever(), use_fiber); });
    });
}

TEST(use_fiber_libraries, coroutines_that_end_while_their_cancellation_waits_in_the_strand) {
    on_every_domain([] {
        const auto strand = asio::make_strand(executor());
        for (int i = 0; i < times; ++i) {
            miou::unique_function<void()> resume;
            const auto wait_for_it = [&]() -> awaitable<void> {
                co_await asio::async_initiate<decltype(use_awaitable), void()>(
                    [&](auto handler) { resume = std::move(handler); }, use_awaitable);
            };
            const auto task =
                miou::async([&] { asio::co_spawn(strand, wait_for_it(), use_fiber); });
            test::yield_until([&] { return static_cast<bool>(resume); });
            // Runs after the cancelled task has posted the cancellation, and before that arrives.
            const auto last_step = miou::async([&] { asio::post(strand, std::move(resume)); });
            miou::cancel(task);
            miou::await_exn(last_step);
        }
    });
}

TEST(use_fiber_libraries, tls_handshakes) {
    tls();
    on_every_domain([] {
        auto [a, b] = connection();
        cancel_again_and_again([&, peer = &a] {
            ssl::stream<stream&> client{*peer, tls()};
            client.async_handshake(ssl::stream_base::client, use_fiber);
        });
    });
}

TEST(use_fiber_libraries, http_reads) {
    on_every_domain([] {
        auto [a, b] = connection();
        beast::flat_buffer buffer;
        http::request_parser<http::string_body> parser;
        cancel_again_and_again([&] { http::async_read(a, buffer, parser, use_fiber); });
        // What was read before the cancellation is in the buffer or in the parser.
        asio::write(b, asio::buffer(std::string{"GET / HTTP/1.1\r\n"}));
        cancel_again_and_again([&] { http::async_read(a, buffer, parser, use_fiber); });
        asio::write(b, asio::buffer(std::string{"Host: here\r\n\r\n"}));
        http::async_read(a, buffer, parser, use_fiber);
        EXPECT_EQ(parser.get()[http::field::host], "here");
    });
}

TEST(use_fiber_libraries, websockets) {
    on_every_domain([] {
        auto [a, b] = connection();
        cancel_again_and_again([&, peer = &a] {
            websocket::stream<stream&> client{*peer};
            client.async_handshake("here", "/", use_fiber);
        });
        cancel_again_and_again([&, peer = &b] {
            websocket::stream<stream&> server{*peer};
            server.async_accept(http::request<http::string_body>{}, use_fiber);
            ADD_FAILURE() << "accepted a request that did not come";
        });
    });
}

TEST(use_fiber_libraries, reads_of_a_websocket) {
    on_every_domain([] {
        auto [a, b] = connection();
        websocket::stream<stream> client{std::move(a)};
        websocket::stream<stream> server{std::move(b)};
        const auto accepting = miou::async([&] { server.async_accept(use_fiber); });
        client.async_handshake("here", "/", use_fiber);
        miou::await_exn(accepting);
        // A read that was cancelled ends the stream for Beast, so each has a message to begin with.
        beast::flat_buffer buffer;
        cancel_again_and_again([&] { client.async_read(buffer, use_fiber); });
    });
}

// --- Calls that are not cancelled ----------------------------------------------------------------

awaitable<void> ignore_cancellation() {
    co_await this_coro::reset_cancellation_state(asio::disable_cancellation());
    asio::steady_timer timer{co_await this_coro::executor, 50ms};
    co_await timer.async_wait(use_awaitable);
}

/// How many steps the calling domain makes while `fn` runs.
int steps_of(const std::function<void()>& fn) {
    int steps = 0;
    miou::hook counter = miou::hook::add([&] { ++steps; });
    fn();
    counter.remove();
    return steps;
}

TEST(use_fiber_libraries, a_call_that_ignores_it_is_waited_for_without_spinning) {
    on_every_domain([] {
        bool ended = false;
        const auto task = miou::async([&] {
            asio::co_spawn(queueing(), ignore_cancellation(), use_fiber);
            ended = true; // the operation has succeeded
        });
        miou::yield();
        EXPECT_LT(steps_of([&] { miou::cancel(task); }), 1000);
        EXPECT_TRUE(ended);
    });
}

TEST(use_fiber_libraries, a_cancelled_call_does_not_disturb_another_one) {
    on_every_domain([] {
        auto [a, b] = connection();
        const auto reader = miou::async([from = &a] {
            char byte = 0;
            from->async_read_some(asio::buffer(&byte, 1), use_fiber);
            return byte;
        });
        cancel_again_and_again([] { asio::co_spawn(executor(), wait_forever(), use_fiber); });
        asio::write(b, asio::buffer("x", 1));
        EXPECT_EQ(miou::await_exn(reader), 'x');
    });
}

} // namespace
