// Replaces functions of the C library, to count their system calls.
#include "counters.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>

namespace {

template <class... Arguments>
long call_and_count(long number, Arguments... arguments) noexcept {
    bench::echo::count(&bench::echo::counters::system_calls);
    return ::syscall(number, arguments...);
}

} // namespace

extern "C" {

::ssize_t recv(int fd, void* into, std::size_t size, int flags) {
    return call_and_count(SYS_recvfrom, fd, into, size, flags, nullptr, nullptr);
}
::ssize_t recvmsg(int fd, ::msghdr* message, int flags) {
    return call_and_count(SYS_recvmsg, fd, message, flags);
}
::ssize_t read(int fd, void* into, std::size_t size) {
    return call_and_count(SYS_read, fd, into, size);
}
::ssize_t send(int fd, const void* from, std::size_t size, int flags) {
    return call_and_count(SYS_sendto, fd, from, size, flags, nullptr, 0);
}
::ssize_t sendmsg(int fd, const ::msghdr* message, int flags) {
    return call_and_count(SYS_sendmsg, fd, message, flags);
}
::ssize_t write(int fd, const void* from, std::size_t size) {
    return call_and_count(SYS_write, fd, from, size);
}
int poll(::pollfd* asked, ::nfds_t size, int timeout) {
    return static_cast<int>(call_and_count(SYS_poll, asked, size, timeout));
}
int epoll_wait(int epoll, ::epoll_event* events, int most, int timeout) {
    return static_cast<int>(
        call_and_count(SYS_epoll_pwait, epoll, events, most, timeout, nullptr, _NSIG / 8));
}
int epoll_ctl(int epoll, int how, int fd, ::epoll_event* event) noexcept {
    return static_cast<int>(call_and_count(SYS_epoll_ctl, epoll, how, fd, event));
}
int timerfd_settime(int fd, int flags, const ::itimerspec* next, ::itimerspec* before) noexcept {
    return static_cast<int>(call_and_count(SYS_timerfd_settime, fd, flags, next, before));
}

} // extern "C"
