#include "miou_unix/sockaddr.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace miou_unix {
namespace {

template <class Address>
const Address& as(const ::sockaddr_storage& storage) noexcept {
    return reinterpret_cast<const Address&>(storage);
}

std::string unix_path(const ::sockaddr_un& address, std::size_t size) {
    const std::size_t length = size - std::min(size, offsetof(::sockaddr_un, sun_path));
    if (length == 0)
        return "unix:";
    if (address.sun_path[0] == '\0') {
        std::string name{address.sun_path, length};
        std::replace(name.begin(), name.end(), '\0', '@');
        return "unix:" + name;
    }
    return "unix:" + std::string{address.sun_path, ::strnlen(address.sun_path, length)};
}

} // namespace

sockaddr::sockaddr(const struct ::sockaddr* address, std::size_t size) {
    if (size > sizeof storage_)
        throw std::invalid_argument{"miou_unix::sockaddr: the address is too long"};
    std::memcpy(&storage_, address, size);
    size_ = static_cast<::socklen_t>(size);
}

std::uint16_t sockaddr::port() const noexcept {
    if (family() == AF_INET)
        return ntohs(as<::sockaddr_in>(storage_).sin_port);
    if (family() == AF_INET6)
        return ntohs(as<::sockaddr_in6>(storage_).sin6_port);
    return 0;
}

std::string sockaddr::to_string() const {
    char text[INET6_ADDRSTRLEN] = "";
    switch (family()) {
    case AF_INET:
        ::inet_ntop(AF_INET, &as<::sockaddr_in>(storage_).sin_addr, text, sizeof text);
        return std::string{text}.append(":").append(std::to_string(port()));
    case AF_INET6:
        ::inet_ntop(AF_INET6, &as<::sockaddr_in6>(storage_).sin6_addr, text, sizeof text);
        return std::string{"["}.append(text).append("]:").append(std::to_string(port()));
    case AF_UNIX:
        return unix_path(as<::sockaddr_un>(storage_), size_);
    default:
        return "unspecified";
    }
}

void sockaddr::copy_to(void* endpoint, std::size_t capacity, int wanted) const {
    // Asio's endpoints of IP hold both families.
    const auto is_ip = [](int f) { return f == AF_INET || f == AF_INET6; };
    if (family() != wanted && !(is_ip(family()) && is_ip(wanted)))
        throw std::invalid_argument{"miou_unix::sockaddr: " + to_string() +
                                    " is of another family than the endpoint"};
    if (size_ > capacity)
        throw std::invalid_argument{"miou_unix::sockaddr: " + to_string() +
                                    " is too long for the endpoint"};
    std::memcpy(endpoint, &storage_, size_);
}

} // namespace miou_unix
