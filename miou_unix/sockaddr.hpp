// A socket address.
#pragma once

#include <sys/socket.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

namespace miou_unix {

/// Anything that Asio calls an endpoint.
template <class E>
concept endpoint = std::default_initializable<E> && requires(E e, const E c, std::size_t n) {
    { c.data() } -> std::convertible_to<const struct ::sockaddr*>;
    { c.size() } -> std::convertible_to<std::size_t>;
    { e.data() } -> std::convertible_to<struct ::sockaddr*>;
    e.resize(n);
};

/// An address of any family, by value. Converts from and to Asio's endpoints.
/// OCaml: `Unix.sockaddr`.
class sockaddr {
public:
    /// The unspecified address.
    sockaddr() noexcept = default;
    /// A copy of `size` bytes of `address`. Throws `std::invalid_argument` if they are too many.
    sockaddr(const struct ::sockaddr* address, std::size_t size);
    template <endpoint E>
    sockaddr(const E& e)
        : sockaddr{e.data(), e.size()} {}

    /// Throws `std::invalid_argument` if the family is not that of `E`.
    template <endpoint E>
    explicit operator E() const {
        E made;
        const auto wanted = made.protocol().family();
        require_family(wanted);
        made.resize(size_);
        copy_to(made.data());
        return made;
    }

    /// `AF_INET`, `AF_INET6` or `AF_UNIX`.
    int family() const noexcept { return storage_.ss_family; }
    /// Of an IPv4 or IPv6 address; 0 for others.
    std::uint16_t port() const noexcept;
    const struct ::sockaddr* data() const noexcept {
        return reinterpret_cast<const struct ::sockaddr*>(&storage_);
    }
    ::socklen_t size() const noexcept { return size_; }

    /// `127.0.0.1:3000`, `[::1]:3000`, `unix:/run/socket`, `unix:@abstract`.
    std::string to_string() const;
    friend std::ostream& operator<<(std::ostream& out, const sockaddr& address) {
        return out << address.to_string();
    }

private:
    void require_family(int family) const;
    void copy_to(void* endpoint) const noexcept;

    ::sockaddr_storage storage_{};
    ::socklen_t size_ = 0;
};

} // namespace miou_unix
