// A server in a process of its own, watched from outside.
#pragma once

#include "servers.hpp"

#include <sys/types.h>

#include <atomic>
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
    /// System calls so far, see system_calls.hpp.
    double system_calls() const;

private:
    std::uint16_t port_;
    ::pid_t pid_;
    std::atomic<std::uint64_t>* calls_; // counted by the server, in shared memory
};

} // namespace bench::echo
