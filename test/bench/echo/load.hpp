// Clients of an echo server: a closed loop on the calling thread, every byte verified.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench::echo {

struct exchanged {
    std::size_t messages = 0;
    double slow_us = 0; // the 99.9th percentile of the round trips
};

class clients {
public:
    /// Opens `count` connections, each of which sends messages of `size` bytes.
    clients(std::uint16_t port, std::size_t count, std::size_t size);
    ~clients();
    clients(const clients&) = delete;
    clients& operator=(const clients&) = delete;

    /// Each connection sends a message, waits until all of it has come back, and sends the next
    /// one, until about `messages` have come back in total. Throws if a byte is wrong.
    exchanged exchange(std::size_t messages);

private:
    struct connection {
        int fd;
        std::size_t sent = 0;     // of the message on its way
        std::size_t received = 0; // of it
        bool idle = true;
        std::chrono::steady_clock::time_point begun{}; // the message
    };

    void send(connection& with);
    /// Whether the whole message has come back.
    bool receive(connection& with);

    int epoll_;
    std::vector<char> message_;
    std::vector<char> buffer_;
    std::vector<connection> connections_;
    std::vector<double> round_trips_; // us
};

} // namespace bench::echo
