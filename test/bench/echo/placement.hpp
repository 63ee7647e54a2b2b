// Which processor a process runs on.
#pragma once

#include <sched.h>

#include <thread>

namespace bench::echo {

inline unsigned last_processor() {
    return std::thread::hardware_concurrency() - 1;
}

/// The calling thread. A container may forbid it: then it shares one with others.
inline void run_on_processor(unsigned number) noexcept {
    ::cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(number, &set);
    ::sched_setaffinity(0, sizeof set, &set);
}

} // namespace bench::echo
