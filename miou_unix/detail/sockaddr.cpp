#include "miou_unix/sockaddr.hpp"

#include <boost/container_hash/hash.hpp>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

namespace miou_unix {
namespace {

template <class Address>
const Address& as(const ::sockaddr_storage& storage) noexcept {
    return reinterpret_cast<const Address&>(storage);
}

template <class Bytes>
std::string_view bytes_of(const Bytes& bytes) noexcept {
    return {reinterpret_cast<const char*>(&bytes), sizeof bytes};
}

/// The path without the NUL at its end, or an abstract name, which begins with a NUL.
std::string_view unix_path(const ::sockaddr_un& address, std::size_t size) noexcept {
    const std::size_t length = size - std::min(size, offsetof(::sockaddr_un, sun_path));
    if (length == 0 || address.sun_path[0] == '\0')
        return {address.sun_path, length};
    return {address.sun_path, ::strnlen(address.sun_path, length)};
}

/// The number of the scope, or 0 if there is no such scope.
std::uint32_t scope_of(std::string_view text) {
    std::uint32_t scope = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, scope);
    if (error == std::errc{} && stopped == end)
        return scope;
    return ::if_nametoindex(std::string{text}.c_str());
}

} // namespace

sockaddr::sockaddr(const struct ::sockaddr* address, std::size_t size) {
    if (size > sizeof storage_)
        throw std::invalid_argument{"miou_unix::sockaddr: the address is too long"};
    std::memcpy(&storage_, address, size);
    size_ = static_cast<::socklen_t>(size);
}

sockaddr::sockaddr(std::string_view ip, std::uint16_t port) {
    const std::size_t percent = ip.find('%');
    const std::string address{ip.substr(0, percent)};
    ::sockaddr_in v4{
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
    ::sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = v4.sin_port;
    if (percent != ip.npos)
        v6.sin6_scope_id = scope_of(ip.substr(percent + 1));
    const bool scope_is_right = percent == ip.npos || v6.sin6_scope_id != 0;
    const bool is_text = address.find('\0') == address.npos;
    if (is_text && percent == ip.npos && ::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1)
        *this = {reinterpret_cast<const struct ::sockaddr*>(&v4), sizeof v4};
    else if (is_text && scope_is_right &&
             ::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1)
        *this = {reinterpret_cast<const struct ::sockaddr*>(&v6), sizeof v6};
    else
        throw std::invalid_argument{"miou_unix::sockaddr: \"" + std::string{ip.substr(0, 100)} +
                                    "\" is no address of IPv4 or IPv6"};
}

sockaddr::parts sockaddr::meaning() const noexcept {
    switch (family()) {
    case AF_INET:
        return {AF_INET, bytes_of(as<::sockaddr_in>(storage_).sin_addr), port(), 0};
    case AF_INET6: {
        const auto& v6 = as<::sockaddr_in6>(storage_);
        return {AF_INET6, bytes_of(v6.sin6_addr), port(), v6.sin6_scope_id};
    }
    case AF_UNIX:
        return {AF_UNIX, unix_path(as<::sockaddr_un>(storage_), size_), 0, 0};
    default:
        return {family(), {reinterpret_cast<const char*>(&storage_), size_}, 0, 0};
    }
}

std::size_t sockaddr::hash() const noexcept {
    const parts of = meaning();
    std::size_t seed = std::hash<std::string_view>{}(of.address);
    boost::hash_combine(seed, of.family);
    boost::hash_combine(seed, of.port);
    boost::hash_combine(seed, of.scope);
    return seed;
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
    const parts of = meaning();
    switch (of.family) {
    case AF_INET:
        ::inet_ntop(AF_INET, &as<::sockaddr_in>(storage_).sin_addr, text, sizeof text);
        return std::string{text}.append(":").append(std::to_string(of.port));
    case AF_INET6:
        ::inet_ntop(AF_INET6, &as<::sockaddr_in6>(storage_).sin6_addr, text, sizeof text);
        return std::string{"["}
            .append(text)
            .append(of.scope != 0 ? std::string{"%"}.append(std::to_string(of.scope)) : "")
            .append("]:")
            .append(std::to_string(of.port));
    case AF_UNIX: {
        std::string path{of.address};
        std::ranges::replace(path, '\0', '@');
        return "unix:" + path;
    }
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
