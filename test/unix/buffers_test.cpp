// Where data is read into and written from: slices, buffers of many types, sequences of buffers.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"

#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include <gtest/gtest.h>

#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using test::domains;

TEST(slices, only_their_part_of_the_buffer_is_touched) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        miou_unix::write(to, "0123456789", {.off = 2, .len = 5});
        miou_unix::write(to, "0123456789", {.off = 8});
        std::string buffer = "..........";
        miou_unix::really_read(from, buffer, {.off = 1, .len = 3});
        EXPECT_EQ(buffer, ".234......");
        EXPECT_EQ(miou_unix::read(from, buffer, {.off = 6}), 4u);
        EXPECT_EQ(buffer, ".234..5689");
    });
}

TEST(slices, ones_that_reach_beyond_the_buffer_are_refused) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
        for (const miou_unix::slice wrong : {miou_unix::slice{.off = 5},
                                             {.off = 4, .len = 1},
                                             {.len = 5},
                                             {.off = most},
                                             {.len = most},
                                             {.off = 1, .len = most},
                                             {.off = most, .len = 2}}) {
            char buffer[4] = {};
            EXPECT_THROW(static_cast<void>(miou_unix::read(from, buffer, wrong)),
                         std::invalid_argument);
            EXPECT_THROW(miou_unix::really_read(from, buffer, wrong), std::invalid_argument);
            EXPECT_THROW(miou_unix::write(to, std::string(4, 'x'), wrong), std::invalid_argument);
        }
    });
}

TEST(slices, empty_ones_return_at_once) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        char buffer[4];
        EXPECT_EQ(miou_unix::read(from, buffer, {.off = 4}), 0u);
        EXPECT_EQ(miou_unix::read(from, buffer, {.len = 0}), 0u);
        EXPECT_EQ(miou_unix::read(from, std::span<char>{}), 0u);
        miou_unix::really_read(from, std::span<char>{});
        miou_unix::write(to, "");
        miou_unix::write(to, std::span<const char>{});
        int unread = -1;
        EXPECT_EQ(::ioctl(miou_unix::to_file_descr(from), FIONREAD, &unread), 0);
        EXPECT_EQ(unread, 0);
    });
}

TEST(buffers, may_be_of_many_types) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        const std::vector<std::uint32_t> sent{1, 2, 3};
        miou_unix::write(to, sent);
        miou_unix::write(to, boost::asio::buffer(sent));
        std::array<std::uint32_t, 3> received{};
        miou_unix::really_read(from, received);
        EXPECT_EQ(received, (std::array<std::uint32_t, 3>{1, 2, 3}));
        received = {};
        miou_unix::really_read(from, boost::asio::buffer(received));
        EXPECT_EQ(received, (std::array<std::uint32_t, 3>{1, 2, 3}));
    });
}

/// `size` bytes cut into `count` pieces of many sizes, some of them empty.
std::vector<std::string> cut(const std::string& whole, std::size_t count) {
    std::vector<std::string> pieces;
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < count; ++i) {
        const std::size_t size = std::min(i * i % 97, whole.size() - place);
        pieces.push_back(whole.substr(place, size));
        place += size;
    }
    pieces.push_back(whole.substr(place));
    return pieces;
}

TEST(buffer_sequences, of_any_length_are_written_and_read_in_order) {
    miou_unix::run({.domains = domains()}, [] {
        for (const auto& [a, b] : {test::socket_pair(), test::pipe()})
            for (const std::size_t count : {1u, 2u, 31u, 32u, 33u, 200u}) {
                const std::string sent = test::numbered_bytes{}.from(0, 300'000);
                const auto writer =
                    miou::async([&, to = b] { miou_unix::write(to, cut(sent, count)); });
                std::vector<std::string> received = cut(std::string(sent.size(), '\0'), count + 1);
                std::vector<boost::asio::mutable_buffer> into;
                for (std::string& each : received)
                    into.push_back(boost::asio::buffer(each));
                miou_unix::really_read(a, into);
                miou::await_exn(writer);
                std::string whole;
                for (const std::string& each : received)
                    whole += each;
                EXPECT_EQ(whole, sent) << count << " pieces";
            }
    });
}

TEST(buffer_sequences, a_read_fills_the_first_pieces_with_what_there_is) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        std::array<char, 2> head{};
        std::array<char, 100> body{};
        const std::array<boost::asio::mutable_buffer, 2> into{boost::asio::buffer(head),
                                                              boost::asio::buffer(body)};
        miou_unix::write(to, "12345");
        EXPECT_EQ(miou_unix::read(from, into), 5u);
        EXPECT_EQ((std::string_view{head.data(), 2}), "12");
        EXPECT_EQ((std::string_view{body.data(), 3}), "345");
        miou_unix::write(to, std::array<boost::asio::const_buffer, 0>{});
        EXPECT_EQ(miou_unix::read(from, std::vector<boost::asio::mutable_buffer>{}), 0u);
        miou_unix::close(to);
        EXPECT_EQ(miou_unix::read(from, into), 0u); // the end of the stream
        EXPECT_EQ(test::error_of([&] { miou_unix::really_read(from, into); }),
                  boost::asio::error::eof);
    });
}

TEST(buffer_sequences, are_refused_where_single_buffers_are) {
    miou_unix::run({.domains = domains()}, [] {
        const auto datagrams = miou_unix::udpv4();
        const std::vector<std::string> pieces{"a", "b"};
        EXPECT_THROW(miou_unix::write(datagrams, pieces), std::invalid_argument);
        const auto [a, b] = test::pipe();
        miou_unix::close(a);
        EXPECT_EQ(test::error_of([&, to = b] { miou_unix::write(to, pieces); }),
                  boost::system::errc::broken_pipe);
        miou_unix::close(b);
        EXPECT_EQ(test::error_of([&, to = b] { miou_unix::write(to, pieces); }),
                  boost::system::errc::bad_file_descriptor);
    });
}

} // namespace
