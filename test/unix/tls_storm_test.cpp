// TLS handshakes and HTTP reads that are cancelled at random moments.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/tls.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_prefix.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using miou_unix::use_fiber;
using test::tls;
using randomness = std::minstd_rand;

/// A socket that moves a few bytes at a time, so there are many moments for a cancellation.
class trickle {
public:
    using lowest_layer_type = asio::local::stream_protocol::socket;
    using executor_type = lowest_layer_type::executor_type;

    trickle(lowest_layer_type socket, randomness& random)
        : socket_{std::move(socket)}
        , random_{&random} {}

    executor_type get_executor() { return socket_.get_executor(); }
    lowest_layer_type& lowest_layer() { return socket_; }

    template <class Buffers, class Token>
    auto async_read_some(const Buffers& to, Token&& token) {
        return socket_.async_read_some(few_of(to), std::forward<Token>(token));
    }
    template <class Buffers, class Token>
    auto async_write_some(const Buffers& from, Token&& token) {
        return socket_.async_write_some(few_of(from), std::forward<Token>(token));
    }

private:
    template <class Buffers>
    auto few_of(const Buffers& all) {
        return beast::buffers_prefix(1 + (*random_)() % 500, all);
    }

    lowest_layer_type socket_;
    randomness* random_;
};

std::pair<trickle, trickle> connection(randomness& random) {
    asio::local::stream_protocol::socket a{miou_unix::executor()};
    asio::local::stream_protocol::socket b{miou_unix::executor()};
    asio::local::connect_pair(a, b);
    return {trickle{std::move(a), random}, trickle{std::move(b), random}};
}

void yield_at_most(unsigned times, randomness& random) {
    for (auto left = random() % (times + 1); left != 0; --left)
        miou::yield();
}

/// Repeats `round` on all domains until `times` tasks have been cancelled, which `round` counts. No
/// descriptor may be left, and the memory must not grow.
void storm(int times, const std::function<void(std::atomic<int>&, randomness&)>& round) {
    const auto seed = std::random_device{}();
    std::cout << "seed " << seed << std::endl; // printed before a failure, which it helps to repeat
    tls();
    miou_unix::run({.domains = test::domains()}, [&] {
        const auto cancel_at_random = [&](int count) {
            std::atomic<int> cancelled = 0;
            const auto rounds = [&](unsigned domain) {
                randomness random{seed + domain};
                while (cancelled < count)
                    round(cancelled, random);
            };
            const auto here = miou::async([&] { rounds(0); });
            if (const auto others = miou::domain::all(); !others.empty())
                for (const auto& outcome : miou::parallel(
                         [&](miou::domain_uid d) { rounds(static_cast<unsigned>(d.to_int())); },
                         others))
                    outcome.value();
            miou::await_exn(here);
        };
        cancel_at_random(times / 2);
        const std::size_t descriptors = test::open_descriptors();
        const std::size_t resident = test::resident_bytes();
        cancel_at_random(times - times / 2);
        EXPECT_EQ(test::open_descriptors(), descriptors);
        if (!TEST_SANITIZED) {
            EXPECT_LT(test::resident_bytes(), resident + (std::size_t{4} << 20));
        }
    });
}

TEST(tls_storm, handshakes) {
    storm(test::scaled(5'000, 1'000), [](std::atomic<int>& cancelled, randomness& random) {
        auto [a, b] = connection(random);
        std::optional<ssl::stream<trickle>> first{std::in_place, std::move(a), tls()};
        ssl::stream<trickle> second{std::move(b), tls()};
        const auto role = static_cast<ssl::stream_base::handshake_type>(random() % 2);
        const auto opposite =
            role == ssl::stream_base::client ? ssl::stream_base::server : ssl::stream_base::client;
        const auto one = miou::async([&] { first->async_handshake(role, use_fiber); });
        const auto other = miou::async([&] { second.async_handshake(opposite, use_fiber); });
        yield_at_most(80, random);
        miou::cancel(one);
        ++cancelled;
        if (random() % 2 != 0) {
            miou::cancel(other);
            ++cancelled;
        } else { // notices that its peer has gone
            first.reset();
            static_cast<void>(miou::await(other));
        }
    });
}

constexpr std::string_view request = "POST / HTTP/1.1\r\n"
                                     "Host: here\r\n"
                                     "Content-Type: text/plain\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n"
                                     "5\r\nhello\r\n"
                                     "1;why=that\r\n \r\n"
                                     "5\r\nworld\r\n"
                                     "0\r\n\r\n";

/// Cancels readers of requests. Each one goes on where the one before was cancelled.
template <class Stream>
void cancel_readers(Stream& client, Stream& server, std::atomic<int>& cancelled,
                    randomness& random) {
    const auto writer = miou::async([&] {
        for (;;)
            asio::async_write(client, asio::buffer(request), use_fiber);
    });
    beast::flat_buffer buffer;
    std::optional<http::request_parser<http::string_body>> parser{std::in_place};
    for (int i = 0; i < 10; ++i) {
        const auto reader = miou::async([&] {
            for (;;) {
                if (!parser->is_header_done())
                    http::async_read_header(server, buffer, *parser, use_fiber);
                if (!parser->is_done())
                    http::async_read(server, buffer, *parser, use_fiber);
                EXPECT_EQ(parser->get().body(), "hello world");
                parser.emplace();
            }
        });
        yield_at_most(12, random);
        miou::cancel(reader);
        EXPECT_TRUE(test::failed_with<miou::cancelled>(miou::await(reader)));
        ++cancelled;
    }
    miou::cancel(writer);
}

TEST(tls_storm, http_reads) {
    storm(test::scaled(20'000, 2'000), [](std::atomic<int>& cancelled, randomness& random) {
        auto [client, server] = connection(random);
        cancel_readers(client, server, cancelled, random);
    });
}

TEST(tls_storm, http_reads_over_tls) {
    storm(test::scaled(10'000, 1'000), [](std::atomic<int>& cancelled, randomness& random) {
        auto [a, b] = connection(random);
        ssl::stream<trickle> client{std::move(a), tls()};
        ssl::stream<trickle> server{std::move(b), tls()};
        const auto other =
            miou::async([&] { server.async_handshake(ssl::stream_base::server, use_fiber); });
        client.async_handshake(ssl::stream_base::client, use_fiber);
        miou::await_exn(other);
        cancel_readers(client, server, cancelled, random);
    });
}

} // namespace
