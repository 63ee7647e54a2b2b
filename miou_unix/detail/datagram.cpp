#include "miou_unix/datagram.hpp"

#include "miou/promise.hpp"
#include "miou_unix/detail/errors.hpp"
#include "miou_unix/detail/waiting.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>
#include <string>

namespace miou_unix {

using namespace detail;

namespace {

void require_datagram_socket(const descriptor_state& f, const char* caller) {
    if (f.kind() != descriptor_kind::datagram_socket)
        throw std::invalid_argument{std::string{caller} + ": this is not a datagram socket"};
}

/// Waits until the socket of the UNIX domain at `address` has room for a datagram, or `f` is
/// closed. Only a socket that is connected to `address` learns of the room.
void wait_for_room_at(const sockaddr& address, descriptor_state& f, const char* caller) {
    const file_descr probe = new_socket(AF_UNIX, SOCK_DGRAM, caller);
    if (::connect(to_file_descr(probe), address.data(), address.size()) != 0)
        return; // nobody is there: sending will report that
    const auto room =
        miou::async([&] { wait_until(wait_type::write, probe.state(caller), caller); });
    const auto closed = miou::async([&] { wait_until(wait_type::error, f, caller); });
    miou::await_first({room, closed}).value();
}

} // namespace

file_descr udpv4() {
    return new_socket(AF_INET, SOCK_DGRAM, "miou_unix::udpv4");
}
file_descr udpv6() {
    return new_socket(AF_INET6, SOCK_DGRAM, "miou_unix::udpv6");
}

std::pair<std::size_t, sockaddr> recvfrom(const file_descr& f, mutable_view buffer, slice part,
                                          int flags) {
    constexpr const char* caller = "miou_unix::recvfrom";
    descriptor_state& state = f.state(caller);
    require_datagram_socket(state, caller);
    const mutable_view into = part_of(buffer, part, caller);
    sockaddr_buffer sender;
    // MSG_DONTWAIT, because a wrong checksum may remove the datagram after the wait.
    const ::ssize_t got = retry(wait_type::read, state, caller, [&](int fd) {
        return ::recvfrom(fd, into.data, into.size, flags | MSG_DONTWAIT, sender.data(),
                          &sender.size);
    });
    return {static_cast<std::size_t>(got), sender.value()};
}

std::size_t sendto(const file_descr& f, const_view buffer, const sockaddr& address, slice part,
                   int flags) {
    constexpr const char* caller = "miou_unix::sendto";
    descriptor_state& state = f.state(caller);
    require_datagram_socket(state, caller);
    const const_view from = part_of(buffer, part, caller);
    const ::ssize_t sent = retry(wait_type::write, state, caller, [&](int fd) {
        const ::ssize_t count =
            ::sendto(fd, from.data, from.size, flags | MSG_DONTWAIT | MSG_NOSIGNAL, address.data(),
                     address.size());
        if (count < 0 && would_block(errno) && address.family() == AF_UNIX) {
            wait_for_room_at(address, state, caller); // `f` itself may have room
            errno = EAGAIN;
        }
        return count;
    });
    return static_cast<std::size_t>(sent);
}

} // namespace miou_unix
