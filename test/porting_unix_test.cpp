// The C++ lines of docs/porting.md about miou_unix: porting_page_test.py looks each one up here.

#include "support/domains.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <span>
#include <string>

namespace {

namespace asio = boost::asio;
namespace owned = miou_unix::ownership;

int fn() {
    return 42;
}

TEST(porting_unix, programs_and_sleep) {
    EXPECT_EQ(miou_unix::run({.g = 7, .domains = test::domains()}, fn), 42);
    miou_unix::run({.domains = test::domains()}, [] {
        miou_unix::sleep(0.001);
        miou_unix::sleep(std::chrono::milliseconds{1});
    });
}

TEST(porting_unix, descriptors) {
    miou_unix::run({.domains = test::domains()}, [] {
        const int fd = ::eventfd(0, EFD_CLOEXEC);
        const int other = ::eventfd(0, EFD_CLOEXEC);
        const miou_unix::file_descr f = miou_unix::of_file_descr(fd);
        const auto waiting_first = miou_unix::of_file_descr({.non_blocking = false}, other);
        EXPECT_EQ(miou_unix::to_file_descr(f), fd);
        for (const auto& socket :
             {miou_unix::tcpv6(), miou_unix::udpv6(), miou_unix::unix_socket()})
            miou_unix::close(socket);
    });
}

TEST(porting_unix, streams) {
    miou_unix::run({.domains = test::domains()}, [] {
        const asio::ip::tcp::endpoint loopback{asio::ip::address_v4::loopback(), 0};
        const auto server = miou_unix::tcpv4();
        miou_unix::bind_and_listen({.backlog = 64}, server, loopback);
        const auto serving = test::anywhere([&] {
            const auto [client, peer] = miou_unix::accept(server);
            char buffer[16];
            EXPECT_EQ(miou_unix::read(client, buffer, {.off = 2, .len = 1}), 1u);
            EXPECT_EQ(buffer[2], 'h');
            EXPECT_GE(miou_unix::read(client, buffer), 1u);
            miou_unix::write(client, "bye");
        });
        const auto address = miou_unix::getsockname(server);
        const auto socket = miou_unix::tcpv4();
        miou_unix::connect(socket, address);
        miou_unix::write(socket, "hello");
        char answer[3];
        miou_unix::really_read(socket, answer);
        EXPECT_EQ(std::string(answer, 3), "bye");
        miou_unix::close(socket);
        miou::await_exn(serving);
    });
}

TEST(porting_unix, datagrams) {
    miou_unix::run({.domains = test::domains()}, [] {
        const auto receiver = miou_unix::udpv4();
        miou_unix::bind_and_listen(receiver,
                                   asio::ip::udp::endpoint{asio::ip::address_v4::loopback(), 0});
        const auto address = miou_unix::getsockname(receiver);
        const auto sender = miou_unix::udpv4();
        EXPECT_EQ(miou_unix::sendto(sender, "hi", address), 2u);
        char buffer[16];
        const auto [length, from] = miou_unix::recvfrom(receiver, buffer);
        EXPECT_EQ(std::string(buffer, length), "hi");
    });
}

TEST(porting_unix, raw_descriptors) {
    miou_unix::run({.domains = test::domains()}, [] {
        int pipe[2];
        ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
        const auto reader = test::anywhere([&] {
            miou_unix::blocking_read({.name = "queue"}, pipe[0]);
            miou_unix::blocking_read(pipe[0]);
            char byte;
            return ::read(pipe[0], &byte, 1);
        });
        miou_unix::blocking_write(pipe[1]);
        EXPECT_EQ(::write(pipe[1], "x", 1), 1);
        EXPECT_EQ(miou::await_exn(reader), 1);
        ::close(pipe[0]);
        ::close(pipe[1]);
    });
}

TEST(porting_unix, ownership) {
    miou_unix::run({.domains = test::domains()}, [] {
        const auto mine = owned::tcpv4();
        const int fd = ::eventfd(0, EFD_CLOEXEC);
        owned::close(owned::of_file_descr({.non_blocking = false}, fd));
        miou::await_exn(
            miou::async({.give = {owned::resource(mine)}}, [mine] { owned::close(mine); }));
    });
}

} // namespace
