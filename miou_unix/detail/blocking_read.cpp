#include "miou_unix/blocking_read.hpp"

#include "miou/promise.hpp"
#include "miou_unix/detail/errors.hpp"
#include "miou_unix/detail/waiting.hpp"
#include "miou_unix/file_descr.hpp"

#include <sys/epoll.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>

namespace miou_unix {

using namespace detail;

namespace {

/// A separate epoll instance watches `fd`, and Asio watches that instance. In the domain's own
/// epoll instance a number can be only once, and Asio would put the file into non-blocking mode.
void block(const blocking_options& options, int fd, std::uint32_t events, const char* caller) {
    std::string named;
    if (!options.name.empty()) {
        named.append(caller).append(" (").append(options.name).append(")");
        caller = named.c_str();
    }
    const auto watch = std::make_shared<descriptor_state>(descriptor_kind::other, true);
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        throw_errno(errno, caller);
    watch->adopt(epoll);
    ::epoll_event wanted{};
    wanted.events = events;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) != 0)
        throw_errno(errno, caller);
    miou::consume_budget(caller);
    while (!is_ready(wait_type::read, epoll))
        wait_until(wait_type::read, *watch, caller);
}

} // namespace

void blocking_read(int fd) {
    blocking_read({}, fd);
}
void blocking_read(blocking_options options, int fd) {
    block(options, fd, EPOLLIN, "miou_unix::blocking_read");
}

void blocking_write(int fd) {
    blocking_write({}, fd);
}
void blocking_write(blocking_options options, int fd) {
    block(options, fd, EPOLLOUT, "miou_unix::blocking_write");
}

} // namespace miou_unix
