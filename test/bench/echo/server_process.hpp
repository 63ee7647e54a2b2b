// A server in a process of its own, watched from outside.
#pragma once

#include "counters.hpp"
#include "servers.hpp"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace bench::echo {

/// Runs `what` on the first processor and is killed at the end; the calling thread is moved to the
/// last one.
class server_process {
public:
    server_process(server* what, std::size_t buffer);
    ~server_process();
    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    /// Processor time so far, in nanoseconds.
    double processor_ns() const;
    double resident_bytes() const;
    /// What it has counted so far.
    const counters& counted_so_far() const noexcept { return *counted_; }

private:
    std::uint16_t port_;
    ::pid_t pid_;
    counters* counted_; // in memory that both share
};

} // namespace bench::echo
