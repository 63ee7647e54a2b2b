#include "support/io.hpp"

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>
#include <boost/system/system_error.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace test {
namespace {

using tcp = boost::asio::ip::tcp;

void require(int returned, const char* what) {
    if (returned != 0)
        throw std::system_error{errno, std::generic_category(), what};
}

ends wrap(std::pair<int, int> raw) {
    return {miou_unix::of_file_descr(raw.first), miou_unix::of_file_descr(raw.second)};
}

} // namespace

boost::system::error_code code_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& known) {
        return known.code();
    } catch (...) {
        return {};
    }
}

miou_unix::sockaddr loopback(std::uint16_t port) {
    return tcp::endpoint{boost::asio::ip::address_v4::loopback(), port};
}

miou_unix::sockaddr loopback_v6(std::uint16_t port) {
    return tcp::endpoint{boost::asio::ip::address_v6::loopback(), port};
}

miou_unix::file_descr listen_on_loopback(int backlog) {
    const auto listening = miou_unix::tcpv4();
    miou_unix::bind_and_listen({.backlog = backlog}, listening, loopback());
    return listening;
}

std::pair<int, int> raw_socket_pair() {
    int both[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both), "socketpair");
    return {both[0], both[1]};
}

ends socket_pair() {
    return wrap(raw_socket_pair());
}

std::pair<int, int> raw_pipe() {
    int both[2];
    require(::pipe2(both, O_CLOEXEC), "pipe2");
    return {both[0], both[1]};
}

ends pipe() {
    return wrap(raw_pipe());
}

ends tcp_pair() {
    const auto listening = listen_on_loopback();
    const auto client = miou_unix::tcpv4();
    // The kernel completes the connection before it is accepted.
    miou_unix::connect(client, miou_unix::getsockname(listening));
    return {client, miou_unix::accept(listening).first};
}

void write_and_read(const ends& through) {
    miou_unix::write(through.second, "x");
    char two[2];
    ASSERT_EQ(miou_unix::read(through.first, two), 1u);
}

void reset(const miou_unix::file_descr& connection) {
    const ::linger at_once{.l_onoff = 1, .l_linger = 0};
    ASSERT_EQ(::setsockopt(miou_unix::to_file_descr(connection), SOL_SOCKET, SO_LINGER, &at_once,
                           sizeof at_once),
              0);
    miou_unix::close(connection);
}

std::pair<miou_unix::file_descr, miou_unix::sockaddr> bound_udp_socket() {
    const auto f = miou_unix::udpv4();
    miou_unix::bind_and_listen(f, test::loopback());
    return {f, miou_unix::getsockname(f)};
}

std::pair<miou_unix::file_descr, miou_unix::sockaddr> bound_local_socket() {
    const auto f = miou_unix::of_file_descr(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct ::sockaddr any {};
    any.sa_family = AF_UNIX; // the system chooses a name
    miou_unix::bind_and_listen(f, miou_unix::sockaddr{&any, sizeof any.sa_family});
    return {f, miou_unix::getsockname(f)};
}

std::string receive(const miou_unix::file_descr& f) {
    std::array<char, 256> buffer;
    return {buffer.data(), miou_unix::recvfrom(f, buffer).first};
}

std::string numbered_bytes::from(std::size_t place, std::size_t size) const {
    std::string made(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        made[i] = at(place + i);
    return made;
}

bool numbered_bytes::matches(const char* data, std::size_t size, std::size_t place) const noexcept {
    for (std::size_t i = 0; i < size; ++i)
        if (data[i] != at(place + i))
            return false;
    return true;
}

std::string read_to_end(const miou_unix::file_descr& f) {
    std::string all;
    std::array<char, 4096> buffer;
    while (const std::size_t length = miou_unix::read(f, buffer))
        all.append(buffer.data(), length);
    return all;
}

void send_numbered(const miou_unix::file_descr& f, numbered_bytes bytes, std::size_t size) {
    miou_unix::write(f, bytes.from(0, size));
    miou_unix::shutdown(f, SHUT_WR);
}

std::ptrdiff_t receive_numbered(const miou_unix::file_descr& f, numbered_bytes bytes) {
    std::size_t place = 0;
    std::array<char, 30000> buffer; // a size that divides no buffer of the kernel
    while (const std::size_t length = miou_unix::read(f, buffer)) {
        if (!bytes.matches(buffer.data(), length, place))
            return -1;
        place += length;
    }
    return static_cast<std::ptrdiff_t>(place);
}

} // namespace test
