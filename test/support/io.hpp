// Descriptors and errors for the tests of input and output.
#pragma once

#include "miou_unix/datagram.hpp"
#include "miou_unix/file_descr.hpp"
#include "miou_unix/sockaddr.hpp"
#include "miou_unix/socket.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <string>
#include <utility>

namespace test {

/// The code of a `boost::system::system_error`; success if `error` is something else.
boost::system::error_code code_of(const std::exception_ptr& error);

/// The code of what `fn` throws; success if it throws nothing.
template <class F>
boost::system::error_code error_of(F&& fn) {
    try {
        std::invoke(std::forward<F>(fn));
    } catch (...) {
        return code_of(std::current_exception());
    }
    return {};
}

/// The code of a `miou::result` that failed; success if it did not.
template <class Result>
boost::system::error_code error_in(const Result& outcome) {
    return outcome.has_error() ? code_of(outcome.error()) : boost::system::error_code{};
}

/// 127.0.0.1, or ::1.
miou_unix::sockaddr loopback(std::uint16_t port = 0);
miou_unix::sockaddr loopback_v6(std::uint16_t port = 0);

/// Listens on a port that the system chooses.
miou_unix::file_descr listen_on_loopback(int backlog = 128);

using ends = std::pair<miou_unix::file_descr, miou_unix::file_descr>;

/// Two connected stream sockets. The raw ones are in blocking mode.
std::pair<int, int> raw_socket_pair();
ends socket_pair();
/// The end to read from, then the end to write to. The raw ones are in blocking mode.
std::pair<int, int> raw_pipe();
ends pipe();
/// Client and server of a connection over loopback. Suspends.
ends tcp_pair();

/// Writes a byte and reads it. Suspends. The buffer of the read has room for more: after a read
/// that fills its buffer, the next one does not go through the reactor.
void write_and_read(const ends& through);

/// Resets `connection`, a TCP socket, and closes it.
void reset(const miou_unix::file_descr& connection);

/// A UDP socket on a port that the system chose, and its address.
std::pair<miou_unix::file_descr, miou_unix::sockaddr> bound_udp_socket();
/// The same with AF_UNIX, where no datagram is lost: a sender waits until there is room.
std::pair<miou_unix::file_descr, miou_unix::sockaddr> bound_local_socket();
/// Waits for a datagram.
std::string receive(const miou_unix::file_descr& f);

/// A byte for each place of a stream, which reveals holes, repetitions and bytes of other streams.
class numbered_bytes {
public:
    explicit numbered_bytes(unsigned stream = 0) noexcept
        : stream_{stream} {}
    char at(std::size_t place) const noexcept {
        return static_cast<char>((place * 2654435761u + stream_ * 40503u) >> 13);
    }
    /// `size` bytes that begin at `place`.
    std::string from(std::size_t place, std::size_t size) const;
    bool matches(const char* data, std::size_t size, std::size_t place) const noexcept;

private:
    unsigned stream_;
};

/// Everything up to the end of the stream.
std::string read_to_end(const miou_unix::file_descr& f);

/// Writes `size` bytes, then shuts down the sending side.
void send_numbered(const miou_unix::file_descr& f, numbered_bytes bytes, std::size_t size);
/// Reads to the end of the stream. Returns how many bytes came, or -1 if one was wrong.
std::ptrdiff_t receive_numbered(const miou_unix::file_descr& f, numbered_bytes bytes);

/// The longest time, in seconds.
constexpr double infinity = std::numeric_limits<double>::infinity();

/// A time limit that is long enough for anything that ends at all.
class deadline {
public:
    explicit deadline(std::chrono::milliseconds from_now = std::chrono::seconds{20}) noexcept
        : at_{std::chrono::steady_clock::now() + from_now} {}
    bool has_passed() const noexcept { return std::chrono::steady_clock::now() >= at_; }

private:
    std::chrono::steady_clock::time_point at_;
};

} // namespace test
