// Clients in a separate process.
#pragma once

#include "load.hpp"
#include "pinned_process.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace bench::echo {

/// `clients` on the last processor. They have the descriptors of a whole process to themselves.
class client_process {
public:
    /// Like the constructor of `clients`. Throws if that fails in the process.
    client_process(std::uint16_t port, std::size_t count, std::size_t size);
    ~client_process();
    client_process(const client_process&) = delete;
    client_process& operator=(const client_process&) = delete;

    /// Like that of `clients`. Throws if that fails in the process.
    exchanged exchange(std::size_t messages);

private:
    exchanged answer();

    const std::array<int, 2> channel_; // the first end is ours
    const pinned_process process_;
};

} // namespace bench::echo
