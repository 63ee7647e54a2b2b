// A socket address.
#pragma once

#include "miou/config.hpp"

#include <sys/socket.h>

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

namespace miou_unix {

/// Anything that Asio calls an endpoint.
template <class E>
concept endpoint = std::default_initializable<E> && requires(E e, const E c, std::size_t n) {
    { c.data() } -> std::convertible_to<const struct ::sockaddr*>;
    { c.size() } -> std::convertible_to<std::size_t>;
    { c.capacity() } -> std::convertible_to<std::size_t>;
    { e.data() } -> std::convertible_to<struct ::sockaddr*>;
    e.resize(n);
};

/// An address of any family, by value. Converts from and to Asio's endpoints.
///
/// Two addresses are equal if their families are, and, for IP, their addresses, ports and scopes,
/// for the UNIX domain, their paths, with or without a NUL at the end. They are ordered by family,
/// then address, then port and scope. OCaml: `Unix.sockaddr`.
class MIOU_API sockaddr {
public:
    /// The unspecified address.
    sockaddr() noexcept = default;
    /// A copy of the `size` bytes at `address`. Throws `std::invalid_argument` if they are too
    /// many.
    sockaddr(const struct ::sockaddr* address, std::size_t size);
    /// `ip` is an IPv4 address ("127.0.0.1") or an IPv6 address ("::1", or "fe80::1%eth0" with a
    /// scope, by name or number). Throws `std::invalid_argument` if it is neither. For names of
    /// hosts see `resolve`. OCaml: `ADDR_INET (inet_addr_of_string ip, port)`.
    sockaddr(std::string_view ip, std::uint16_t port);
    template <endpoint E>
    sockaddr(const E& e)
        : sockaddr{e.data(), e.size()} {}

    /// Throws `std::invalid_argument` if the family is not that of `E`, or the address is too long.
    template <endpoint E>
    explicit operator E() const {
        E made;
        copy_to(made.data(), made.capacity(), made.protocol().family());
        made.resize(size_); // after: it looks at the last byte of a path
        return made;
    }

    /// `AF_INET`, `AF_INET6` or `AF_UNIX`.
    int family() const noexcept { return storage_.ss_family; }
    /// The port of an IPv4 or IPv6 address; 0 for others.
    std::uint16_t port() const noexcept;
    const struct ::sockaddr* data() const noexcept {
        return reinterpret_cast<const struct ::sockaddr*>(&storage_);
    }
    ::socklen_t size() const noexcept { return size_; }

    /// `127.0.0.1:3000`, `[::1]:3000`, `[fe80::1%2]:3000`, `unix:/run/socket`, `unix:@abstract`
    /// (each NUL of such a name is an `@`), `unix:` for a socket without a name.
    std::string to_string() const;
    friend std::ostream& operator<<(std::ostream& out, const sockaddr& address) {
        return out << address.to_string();
    }

    friend bool operator==(const sockaddr& a, const sockaddr& b) noexcept {
        return a.meaning() == b.meaning();
    }
    friend std::strong_ordering operator<=>(const sockaddr& a, const sockaddr& b) noexcept {
        return a.meaning() <=> b.meaning();
    }
    friend std::size_t hash_value(const sockaddr& address) noexcept { return address.hash(); }

private:
    /// The parts that must be the same for two addresses to be equal.
    struct parts {
        int family;
        std::string_view address; // its bytes; the path of a socket of the UNIX domain
        std::uint16_t port;
        std::uint32_t scope;
        friend auto operator<=>(const parts&, const parts&) noexcept = default;
    };
    parts meaning() const noexcept;
    std::size_t hash() const noexcept;
    void copy_to(void* endpoint, std::size_t capacity, int family) const;

    ::sockaddr_storage storage_{};
    ::socklen_t size_ = 0;
};

/// Room for a system call to put an address.
struct sockaddr_buffer {
    struct ::sockaddr* data() noexcept { return reinterpret_cast<struct ::sockaddr*>(&storage); }
    sockaddr value() { return {data(), size}; }

    ::sockaddr_storage storage{};
    ::socklen_t size = sizeof(::sockaddr_storage);
};

} // namespace miou_unix

/// Equal for addresses that are equal.
template <>
struct std::hash<miou_unix::sockaddr> {
    std::size_t operator()(const miou_unix::sockaddr& address) const noexcept {
        return hash_value(address);
    }
};
