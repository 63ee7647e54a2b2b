// A server in a separate process, watched from outside.
#pragma once

#include "counters.hpp"
#include "pinned_process.hpp"
#include "servers.hpp"

#include <cstddef>
#include <cstdint>

namespace bench::echo {

/// Runs `what` on the first processor, until this is destroyed. Moves the calling thread to the
/// last processor.
class server_process {
public:
    server_process(server* what, std::size_t buffer);

    std::uint16_t port() const noexcept { return port_; }
    /// The processor time so far, in nanoseconds.
    double processor_ns() const;
    double resident_bytes() const;
    /// What it has counted so far.
    const counters& counted_so_far() const noexcept { return *counted_.here; }

private:
    /// Counters in memory that both processes share.
    struct shared_counters {
        shared_counters();
        ~shared_counters();
        shared_counters(const shared_counters&) = delete;
        shared_counters& operator=(const shared_counters&) = delete;
        counters* here;
    };

    server_process(server* what, std::size_t buffer, int listening);

    std::uint16_t port_;
    const shared_counters counted_;
    const pinned_process process_;
};

} // namespace bench::echo
