// Clients in a process of their own.
#pragma once

#include "load.hpp"
#include "pinned_process.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace bench::echo {

/// `clients` on the last processor, with the descriptors of a whole process to themselves.
class client_process {
public:
    /// As the constructor of `clients`. Throws if it fails there.
    client_process(std::uint16_t port, std::size_t count, std::size_t size);
    ~client_process();
    client_process(const client_process&) = delete;
    client_process& operator=(const client_process&) = delete;

    /// As that of `clients`. Throws if it fails there.
    exchanged exchange(std::size_t messages);

private:
    exchanged answer();

    const std::array<int, 2> channel_; // the first end is ours
    const pinned_process process_;
};

} // namespace bench::echo
