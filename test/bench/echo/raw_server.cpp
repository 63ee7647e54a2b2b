// Edge-triggered epoll, one buffer for all connections.
#include "servers.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bench::echo {
namespace {

struct connection {
    int epoll;
    int fd;
    std::string unsent = {}; // while there is some, nothing is read from the peer
    bool watches_output = false;
};

void watch(int epoll, int how, int fd, unsigned events, connection* data) {
    ::epoll_event event{};
    event.events = events | EPOLLET;
    event.data.ptr = data;
    if (::epoll_ctl(epoll, how, fd, &event) != 0)
        throw std::system_error{errno, std::generic_category(), "epoll_ctl"};
}

void accept_all(int epoll, int listening) {
    for (;;) {
        const int fd = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP, new connection{epoll, fd});
    }
}

/// Returns false if the connection has ended.
bool send_some(connection& to, const char* data, std::size_t size) {
    const ::ssize_t sent = ::send(to.fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return false;
    const auto done = static_cast<std::size_t>(sent < 0 ? 0 : sent);
    to.unsent.assign(data + done, size - done);
    if (!to.unsent.empty() && !std::exchange(to.watches_output, true))
        watch(to.epoll, EPOLL_CTL_MOD, to.fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, &to);
    return true;
}

bool go_on(connection& with, unsigned events, std::vector<char>& buffer) {
    if (!with.unsent.empty()) {
        const std::string rest = std::move(with.unsent);
        if (!send_some(with, rest.data(), rest.size()))
            return false;
    }
    while (with.unsent.empty()) {
        const ::ssize_t got = ::recv(with.fd, buffer.data(), buffer.size(), 0);
        if (got <= 0)
            return got < 0 && errno == EAGAIN;
        if (!send_some(with, buffer.data(), static_cast<std::size_t>(got)))
            return false;
        // A short read has drained the socket. But if the end of the stream came with the data, it
        // has no edge of its own, and must be read, too.
        if (static_cast<std::size_t>(got) < buffer.size() && (events & EPOLLRDHUP) == 0)
            return true;
    }
    return true;
}

} // namespace

void serve_raw_epoll(int listening, std::size_t buffer_size) {
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, EPOLL_CTL_ADD, listening, EPOLLIN, nullptr);
    std::vector<char> buffer(buffer_size);
    std::vector<::epoll_event> events(128); // as many as Asio takes
    for (;;) {
        const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < count; ++i) {
            const ::epoll_event& event = events[static_cast<std::size_t>(i)];
            auto* const with = static_cast<connection*>(event.data.ptr);
            if (with == nullptr) {
                accept_all(epoll, listening);
            } else if (!go_on(*with, event.events, buffer)) {
                ::close(with->fd);
                delete with;
            }
        }
    }
}

} // namespace bench::echo
