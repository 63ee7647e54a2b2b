// Calls on a descriptor of the wrong kind, and addresses where nothing can be reached.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/tasks.hpp"

#include "miou/promise.hpp"
#include "miou/run.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <stdexcept>

namespace {

using test::bound_local_socket;
using test::bound_udp_socket;
using test::domains;
using test::error_in;
using test::error_of;
using test::receive;
namespace errc = boost::system::errc;

TEST(refused_call, calls_of_streams_and_of_datagrams_refuse_each_other) { // Miou_unix test04
    miou_unix::run({.domains = domains()}, [] {
        const auto udp = miou_unix::udpv4();
        const auto tcp = miou_unix::tcpv4();
        const auto [from, to] = test::pipe();
        char buffer[16];
        EXPECT_THROW(static_cast<void>(miou_unix::read(udp, buffer)), std::invalid_argument);
        EXPECT_THROW(miou_unix::really_read(udp, buffer), std::invalid_argument);
        EXPECT_THROW(miou_unix::write(udp, "x"), std::invalid_argument);
        EXPECT_THROW(miou_unix::accept(udp), std::invalid_argument);
        EXPECT_THROW(miou_unix::connect(udp, test::loopback(9)), std::invalid_argument);
        for (const auto& each : {tcp, from, miou_unix::unix_socket()}) {
            EXPECT_THROW(miou_unix::recvfrom(each, buffer), std::invalid_argument);
            EXPECT_THROW(miou_unix::sendto(each, "x", test::loopback(9)), std::invalid_argument);
        }
        miou_unix::close(udp);
        miou_unix::close(tcp);
    });
}

TEST(refused_call, calls_for_sockets_refuse_a_pipe) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        EXPECT_THROW(miou_unix::accept(from), std::invalid_argument);
        EXPECT_THROW(miou_unix::connect(to, test::loopback(9)), std::invalid_argument);
        EXPECT_EQ(error_of([f = from] { miou_unix::shutdown(f, SHUT_RD); }), errc::not_a_socket);
        EXPECT_EQ(error_of([f = from] { miou_unix::getsockname(f); }), errc::not_a_socket);
    });
}

TEST(refused_call, a_datagram_socket_is_bound_but_does_not_listen) {
    const auto udp = miou_unix::of_file_descr(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    miou_unix::bind_and_listen(udp, test::loopback());
    EXPECT_NE(miou_unix::getsockname(udp).port(), 0);
}

TEST(refused_call, slices_that_reach_beyond_the_buffer_are_refused) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_udp_socket();
        for (const miou_unix::slice wrong :
             {miou_unix::slice{.off = 5}, {.len = 5}, {.off = 4, .len = 1}}) {
            char buffer[4];
            EXPECT_THROW(miou_unix::recvfrom(f, buffer, wrong), std::invalid_argument);
            EXPECT_THROW(miou_unix::sendto(f, "four", address, wrong), std::invalid_argument);
        }
    });
}

TEST(refused_call, outside_of_a_run_nothing_can_be_waited_for) {
    const auto f = bound_udp_socket().first;
    EXPECT_THROW(receive(f), miou::rule_violation);
    miou::run({.domains = domains()}, [&] { EXPECT_THROW(receive(f), miou::no_select_provided); });
}

TEST(bad_address, of_another_family_is_an_error) {
    miou_unix::run({.domains = domains()}, [] {
        const auto v4 = miou_unix::udpv4();
        const auto v6 = miou_unix::udpv6();
        const auto local_name = bound_local_socket().second;
        EXPECT_EQ(error_of([&] { miou_unix::sendto(v4, "x", test::loopback_v6(9)); }),
                  errc::address_family_not_supported);
        EXPECT_EQ(error_of([&] { miou_unix::bind_and_listen(v4, test::loopback_v6()); }),
                  errc::address_family_not_supported);
        EXPECT_NE(error_of([&] { miou_unix::sendto(v4, "x", local_name); }), errc::success);
        EXPECT_NE(error_of([&] { miou_unix::sendto(v6, "x", local_name); }), errc::success);
        EXPECT_NE(error_of([&] { miou_unix::bind_and_listen(v4, local_name); }), errc::success);
        EXPECT_NE(error_of([&] { miou_unix::sendto(v4, "x", {}); }), errc::success);
        EXPECT_NE(error_of([&] { miou_unix::bind_and_listen(v4, {}); }), errc::success);
    });
}

TEST(bad_address, a_port_in_use_is_an_error_unless_it_may_be_shared) {
    const auto first = miou_unix::udpv4();
    miou_unix::bind_and_listen({.reuseaddr = false, .reuseport = false}, first, test::loopback());
    const auto second = miou_unix::udpv4();
    EXPECT_EQ(error_of([&] { miou_unix::bind_and_listen(second, miou_unix::getsockname(first)); }),
              errc::address_in_use);
    const auto [third, address] = bound_udp_socket();
    miou_unix::bind_and_listen(second, address);
    EXPECT_EQ(miou_unix::getsockname(second).port(), address.port());
}

TEST(bad_address, where_nobody_listens_udp_says_nothing) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [gone, address] = bound_udp_socket();
        miou_unix::close(gone);
        const auto f = miou_unix::udpv4();
        for (int i = 0; i < 3; ++i)
            EXPECT_EQ(miou_unix::sendto(f, "x", address), 1u);
    });
}

TEST(bad_address, where_nobody_listens_a_connected_socket_is_refused) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [gone, address] = bound_udp_socket();
        const auto f = miou_unix::udpv4();
        ASSERT_EQ(::connect(miou_unix::to_file_descr(f), address.data(), address.size()), 0);
        const auto receiver = test::anywhere([&] { receive(f); });
        miou_unix::close(gone);
        miou_unix::sendto(f, "x", address);
        EXPECT_EQ(error_in(miou::await(receiver)), errc::connection_refused);
    });
}

TEST(bad_address, where_nobody_listens_a_local_socket_is_refused) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [gone, address] = bound_local_socket();
        miou_unix::close(gone);
        const auto f = bound_local_socket().first;
        EXPECT_EQ(error_of([&, to = address] { miou_unix::sendto(f, "x", to); }),
                  errc::connection_refused);
    });
}

} // namespace
