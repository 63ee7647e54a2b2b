#include "load.hpp"

#include "checked.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace bench::echo {
namespace {

int connected_to(std::uint16_t port) {
    const int fd = checked(::socket(AF_INET, SOCK_STREAM, 0), "socket");
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    checked(::connect(fd, reinterpret_cast<::sockaddr*>(&address), sizeof address), "connect");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

} // namespace

clients::clients(std::uint16_t port, std::size_t count, std::size_t size)
    : epoll_{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")}
    , message_(size)
    , buffer_(size) {
    for (std::size_t i = 0; i < size; ++i)
        message_[i] = static_cast<char>(i * 2654435761u >> 13);
    for (std::size_t i = 0; i < count; ++i)
        connections_.push_back({connected_to(port)});
    for (connection& each : connections_) {
        ::epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.ptr = &each;
        checked(::epoll_ctl(epoll_, EPOLL_CTL_ADD, each.fd, &event), "epoll_ctl");
    }
}

clients::~clients() {
    for (const connection& each : connections_)
        ::close(each.fd);
    ::close(epoll_);
}

void clients::send(connection& with) {
    while (with.sent < message_.size()) {
        const ::ssize_t size = ::send(with.fd, message_.data() + with.sent,
                                      message_.size() - with.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN)
            return;
        with.sent += static_cast<std::size_t>(checked(static_cast<int>(size), "send"));
    }
}

bool clients::receive(connection& with) {
    while (with.received < message_.size()) {
        const ::ssize_t size =
            ::recv(with.fd, buffer_.data(), message_.size() - with.received, MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN)
            return false;
        if (checked(static_cast<int>(size), "recv") == 0)
            throw std::runtime_error{"the server has closed a connection"};
        if (!std::equal(buffer_.data(), buffer_.data() + size, message_.data() + with.received))
            throw std::runtime_error{"the server has sent a wrong byte"};
        with.received += static_cast<std::size_t>(size);
    }
    return true;
}

exchanged clients::exchange(std::size_t messages) {
    using clock = std::chrono::steady_clock;
    using us = std::chrono::duration<double, std::micro>;
    round_trips_.clear();
    std::size_t begun = 0;
    std::size_t ended = 0;
    const auto begin = [&](connection& with) {
        with.sent = with.received = 0;
        with.idle = false;
        with.begun = clock::now();
        ++begun;
        send(with);
    };
    for (connection& each : connections_)
        begin(each);
    std::vector<::epoll_event> events(128);
    while (ended < begun) {
        const int count = checked(
            ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1), "epoll_wait");
        for (int i = 0; i < count; ++i) {
            auto& with = *static_cast<connection*>(events[static_cast<std::size_t>(i)].data.ptr);
            if (with.idle)
                continue;
            send(with);
            if (!receive(with))
                continue;
            ++ended;
            round_trips_.push_back(us{clock::now() - with.begun}.count());
            with.idle = true;
            if (begun < messages)
                begin(with);
        }
    }
    const auto slow = round_trips_.begin() + static_cast<std::ptrdiff_t>(ended - 1 - ended / 1000);
    std::nth_element(round_trips_.begin(), slow, round_trips_.end());
    return {ended, *slow};
}

} // namespace bench::echo
