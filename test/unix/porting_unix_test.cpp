// Has the C++ lines of docs/porting.md about miou_unix. test/pages/porting_page_test.py compares
// them.

#include "support/domains.hpp"
#include "support/reactor.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/system/system_error.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace owned = miou_unix::ownership;

const asio::ip::tcp::endpoint loopback{asio::ip::address_v4::loopback(), 0};

int fn() {
    return 42;
}

/// For the task that owns `f`.
void answer(const owned::file_descr& f) {
    const auto& client = f;
    char buffer[16];
    EXPECT_GE(owned::read(client, buffer), 1u);
    owned::write(client, "bye");
    owned::close(client);
}

TEST(porting_unix, programs_and_sleep) {
    EXPECT_EQ(miou_unix::run({.g = 7, .domains = test::domains()}, fn), 42);
    test::on_reactor([] {
        miou_unix::sleep(0.001);
        miou_unix::sleep(std::chrono::milliseconds{1});
    });
}

TEST(porting_unix, descriptors) {
    test::on_reactor([] {
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
    test::on_reactor([] {
        const auto server = miou_unix::tcpv4();
        miou_unix::bind_and_listen({.backlog = 64}, server, loopback);
        miou::trigger took;
        const auto serving = test::anywhere([&] {
            const auto [client, peer] = miou_unix::accept(server);
            char buffer[16];
            EXPECT_EQ(miou_unix::read(client, buffer, {.off = 2, .len = 1}), 1u);
            EXPECT_EQ(buffer[2], 'h');
            EXPECT_GE(miou_unix::read(client, buffer), 1u);
            took.signal();
            std::vector<std::byte> big(3);
            EXPECT_EQ(miou_unix::read(client, big), 3u);
            miou_unix::write(client, big);
        });
        const auto address = miou_unix::getsockname(server);
        const auto socket = miou_unix::tcpv4();
        miou_unix::connect(socket, address);
        EXPECT_EQ(miou_unix::getpeername(socket).port(), address.port());
        miou_unix::write(socket, "hello");
        const int on = 1;
        EXPECT_EQ(::setsockopt(miou_unix::to_file_descr(socket), IPPROTO_TCP, TCP_NODELAY, &on,
                               sizeof on),
                  0);
        took.await();
        miou_unix::write(socket, "bye");
        miou_unix::shutdown(socket, SHUT_WR);
        char answer[3];
        miou_unix::really_read(socket, answer);
        EXPECT_EQ(std::string(answer, 3), "bye");
        miou_unix::close(socket);
        miou::await_exn(serving);
    });
}

TEST(porting_unix, datagrams) {
    test::on_reactor([] {
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
    test::on_reactor([] {
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
    test::on_reactor([] {
        const auto server = owned::tcpv4();
        owned::bind_and_listen({.backlog = 64}, server, loopback);
        const auto address = miou_unix::getsockname(server.checked());
        const auto socket = owned::tcpv4();
        owned::connect(socket, address);
        const auto [client, peer] = owned::accept(server);
        owned::write(socket, "hello");
        miou::await_exn(
            miou::async({.give = {owned::resource(client)}}, [f = client] { answer(f); }));
        char answer[3];
        owned::really_read(socket, answer);
        EXPECT_EQ(std::string(answer, 3), "bye");
        EXPECT_GE(owned::to_file_descr(socket), 0);
        const int fd = ::eventfd(0, EFD_CLOEXEC);
        const int other = ::eventfd(0, EFD_CLOEXEC);
        for (const auto& each :
             {server, socket, owned::tcpv6(), owned::udpv6(), owned::of_file_descr(fd),
              owned::of_file_descr({.non_blocking = false}, other)})
            owned::close(each);
    });
}

TEST(porting_unix, owned_datagrams) {
    test::on_reactor([] {
        const auto receiver = owned::udpv4();
        owned::bind_and_listen(receiver,
                               asio::ip::udp::endpoint{asio::ip::address_v4::loopback(), 0});
        const auto address = miou_unix::getsockname(receiver.checked());
        const auto sender = owned::udpv4();
        EXPECT_EQ(owned::sendto(sender, "hi", address), 2u);
        char buffer[16];
        EXPECT_EQ(owned::recvfrom(receiver, buffer).first, 2u);
        owned::close(receiver);
        owned::close(sender);
    });
}

TEST(porting_unix, errors) {
    test::on_reactor([] {
        const auto nobody = miou_unix::tcpv4();
        miou_unix::bind_and_listen(nobody,
                                   asio::ip::tcp::endpoint{asio::ip::address_v4::loopback(), 0});
        const miou_unix::sockaddr address = miou_unix::getsockname(nobody);
        miou_unix::close(nobody);
        try {
            miou_unix::connect(miou_unix::tcpv4(), address);
            ADD_FAILURE() << "somebody listens";
        } catch (const boost::system::system_error& error) {
            EXPECT_TRUE(error.code() == boost::system::errc::connection_refused) << error.what();
        }
        int pipe[2];
        ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
        ::close(pipe[1]);
        const auto f = miou_unix::of_file_descr(pipe[0]);
        char byte[1];
        try {
            miou_unix::really_read(f, byte);
            ADD_FAILURE() << "there is a byte";
        } catch (const boost::system::system_error& error) {
            EXPECT_TRUE(error.code() == asio::error::eof) << error.what();
        }
    });
}

TEST(porting_unix, neighbours) {
    test::on_reactor([] {
        const auto address = miou_unix::resolve("localhost", "80").front();
        EXPECT_EQ(address.port(), 80);
        const miou_unix::sockaddr any{asio::ip::tcp::endpoint{asio::ip::address_v4::any(), 1}};
        EXPECT_EQ(any.port(), 1);
        const std::string path = "/run/socket";
        EXPECT_EQ(miou_unix::sockaddr{asio::local::stream_protocol::endpoint{path}}.to_string(),
                  "unix:/run/socket");
        const int fd = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        struct ::stat status {};
        EXPECT_EQ(miou_unix::blocking([&] { return ::fstat(fd, &status); }), 0);
        EXPECT_GT(status.st_size, 0);
        ::close(fd);
        const auto out = miou_unix::of_file_descr(::dup(STDOUT_FILENO));
        EXPECT_NE(miou_unix::to_file_descr(out), STDOUT_FILENO);
    });
    EXPECT_NE(::fcntl(STDOUT_FILENO, F_GETFD), -1); // the handle has closed only the copy

    const miou_unix::sockaddr address{
        asio::ip::tcp::endpoint{asio::ip::make_address("127.0.0.1"), 3000}};
    const auto endpoint = static_cast<asio::ip::tcp::endpoint>(address);
    EXPECT_EQ(endpoint.address().to_string(), "127.0.0.1");
}

} // namespace
