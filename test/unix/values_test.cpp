// Values: comparison, order, hashes, and how they are made from text and printed.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"

#include "miou/miou.hpp"
#include "miou_unix/executor.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace {

using miou_unix::sockaddr;
using test::domains;

bool are_the_same(const sockaddr& a, const sockaddr& b) {
    const bool equal = a == b;
    EXPECT_EQ(a != b, !equal);
    EXPECT_EQ((a <=> b) == 0, equal);
    EXPECT_EQ((b <=> a) == 0, equal);
    EXPECT_EQ(a<b, b> a);
    EXPECT_TRUE(!equal || std::hash<sockaddr>{}(a) == std::hash<sockaddr>{}(b));
    return equal;
}

sockaddr local_address(std::string_view bytes) {
    ::sockaddr_un raw{};
    raw.sun_family = AF_UNIX;
    std::memcpy(raw.sun_path, bytes.data(), bytes.size());
    return {reinterpret_cast<const struct ::sockaddr*>(&raw),
            offsetof(::sockaddr_un, sun_path) + bytes.size()};
}

TEST(sockaddr, is_made_from_text_and_port) {
    EXPECT_EQ(sockaddr("127.0.0.1", 3000).to_string(), "127.0.0.1:3000");
    EXPECT_EQ(sockaddr("::1", 0).to_string(), "[::1]:0");
    EXPECT_EQ(sockaddr("0:0::1", 65535).to_string(), "[::1]:65535");
    EXPECT_EQ(sockaddr("fe80::1%7", 80).to_string(), "[fe80::1%7]:80");
    EXPECT_TRUE(are_the_same(sockaddr("fe80::1%lo", 80), sockaddr("fe80::1%1", 80)));
    EXPECT_TRUE(are_the_same(sockaddr("127.0.0.1", 80), test::loopback(80)));
    EXPECT_TRUE(are_the_same(sockaddr("::1", 80), test::loopback_v6(80)));
    EXPECT_EQ(boost::asio::ip::tcp::endpoint{sockaddr("::1", 9)},
              (boost::asio::ip::tcp::endpoint{boost::asio::ip::address_v6::loopback(), 9}));
}

TEST(sockaddr, refuses_what_is_not_an_address) {
    const std::vector<std::string> none{"",
                                        "localhost",
                                        "1",
                                        "127.0.0",
                                        "127.0.0.1%lo",
                                        "::1%",
                                        "::1%0",
                                        "::1%no such link",
                                        " ::1",
                                        "127.0.0.1 ",
                                        "[::1]",
                                        "127.0.0.1:80",
                                        {"::1\0x", 5},
                                        {"127.0.0.1\0", 10}};
    for (const std::string& each : none)
        EXPECT_THROW(sockaddr(each, 80), std::invalid_argument) << each;
    const std::string huge(1'000'000, 'x');
    EXPECT_LT(test::message_of<std::invalid_argument>([&] { sockaddr(huge, 80); }).size(), 1000u);
}

TEST(sockaddr, is_equal_if_it_names_the_same_address) {
    EXPECT_TRUE(are_the_same({}, {}));
    EXPECT_FALSE(are_the_same({"127.0.0.1", 80}, {}));
    EXPECT_FALSE(are_the_same({"127.0.0.1", 80}, {"127.0.0.1", 81}));
    EXPECT_FALSE(are_the_same({"127.0.0.1", 80}, {"127.0.0.2", 80}));
    EXPECT_FALSE(are_the_same({"127.0.0.1", 80}, {"::ffff:127.0.0.1", 80}));
    EXPECT_FALSE(are_the_same({"fe80::1%1", 80}, {"fe80::1%2", 80}));
    ::sockaddr_in padded{};
    padded.sin_family = AF_INET;
    padded.sin_port = htons(80);
    padded.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::memset(padded.sin_zero, 7, sizeof padded.sin_zero);
    EXPECT_TRUE(are_the_same({reinterpret_cast<const struct ::sockaddr*>(&padded), sizeof padded},
                             {"127.0.0.1", 80}));
}

TEST(sockaddr, of_a_local_socket_is_equal_by_its_path) {
    using std::string_view_literals::operator""sv;
    EXPECT_TRUE(are_the_same(local_address("/a"), local_address("/a\0"sv)));
    EXPECT_TRUE(are_the_same(local_address("/a"), local_address("/a\0rest"sv)));
    EXPECT_FALSE(are_the_same(local_address("/a"), local_address("/b")));
    EXPECT_FALSE(are_the_same(local_address(""), local_address("/b")));
    EXPECT_FALSE(are_the_same(local_address("\0a"sv), local_address("a"))) << "abstract";
    EXPECT_FALSE(are_the_same(local_address("\0a"sv), local_address("\0a\0"sv))) << "abstract";
    EXPECT_TRUE(
        are_the_same(boost::asio::local::stream_protocol::endpoint{"/a"}, local_address("/a")));
}

TEST(sockaddr, is_ordered_by_address_and_then_by_port) {
    std::vector<sockaddr> some{{"::1", 1}, {"200.0.0.1", 1}, {"10.0.0.1", 2}, {"10.0.0.1", 1}};
    std::ranges::sort(some);
    std::string order;
    for (const sockaddr& each : some)
        order += each.to_string() + " ";
    EXPECT_EQ(order, "10.0.0.1:1 10.0.0.1:2 200.0.0.1:1 [::1]:1 ");
    const std::map<sockaddr, int> sorted{{some[0], 1}, {some[1], 2}};
    EXPECT_EQ(sorted.at({"10.0.0.1", 2}), 2);
    const std::unordered_map<sockaddr, int> hashed{{some[0], 1}, {some[1], 2}};
    EXPECT_EQ(hashed.at({"10.0.0.1", 2}), 2);
}

TEST(getpeername, tells_what_a_socket_is_connected_to) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [client, server] = test::tcp_pair();
        EXPECT_EQ(miou_unix::getpeername(client), miou_unix::getsockname(server));
        EXPECT_EQ(miou_unix::getpeername(server), miou_unix::getsockname(client));
        EXPECT_EQ(test::error_of([] { miou_unix::getpeername(miou_unix::tcpv4()); }),
                  boost::system::errc::not_connected);
    });
}

TEST(promise, is_equal_to_its_copies_and_has_their_hash) {
    miou::run({.domains = domains()}, [] {
        const auto a = miou::async([] { return 1; });
        const auto b = miou::async([] { return 2; });
        const auto copy = a;
        EXPECT_TRUE(a == copy);
        EXPECT_TRUE(a != b);
        const std::unordered_set<miou::promise<int>> tasks{a, b, copy};
        EXPECT_EQ(tasks.size(), 2u);
        const std::unordered_map<miou::promise_uid, int> values{{a.uid(), 1}, {b.uid(), 2}};
        for (const auto& each : tasks)
            EXPECT_EQ(miou::await_exn(each), values.at(each.uid()));
        const std::unordered_set<miou::domain_uid> here{miou::domain::self()};
        EXPECT_TRUE(here.contains(miou::domain_uid::of_int(0)));
    });
}

TEST(messages, of_calls_outside_of_a_task_name_the_call) {
    const auto text_of = [](auto call) { return test::message_of<miou::outside_of_task>(call); };
    EXPECT_TRUE(test::contains(text_of([] { miou_unix::sleep(1); }), "miou_unix::sleep"));
    EXPECT_TRUE(test::contains(text_of([] { miou_unix::executor(); }), "miou_unix::executor"));
    EXPECT_TRUE(test::contains(text_of([] { miou_unix::blocking([] {}); }), "miou_unix::blocking"));
    EXPECT_TRUE(test::contains(text_of([] { miou_unix::resolve("localhost", "80"); }),
                               "miou_unix::resolve"));
    EXPECT_TRUE(test::contains(text_of([] {
                                   char byte[1];
                                   static_cast<void>(
                                       miou_unix::read(test::socket_pair().first, byte));
                               }),
                               "miou_unix::read"));
}

TEST(messages, of_errors_name_the_call_and_no_source_of_asio) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [client, server] = test::tcp_pair();
        const auto reader = miou::async([f = client] {
            char byte[1];
            static_cast<void>(miou_unix::read(f, byte));
        });
        miou_unix::sleep(0.001);
        test::reset(server);
        const auto reset =
            test::message_of<boost::system::system_error>([&] { miou::await_exn(reader); });
        EXPECT_EQ(reset, "miou_unix::read: Connection reset by peer [system:104]");

        const auto [from, to] = test::pipe();
        test::write_and_read({from, to});
        auto again = miou_unix::of_file_descr(miou_unix::to_file_descr(from));
        const auto registered = test::message_of<boost::system::system_error>([&] {
            char byte[1];
            static_cast<void>(miou_unix::read(again, byte));
        });
        EXPECT_EQ(registered, "miou_unix::read: File exists [system:17]");
        again.release();
    });
}

} // namespace
