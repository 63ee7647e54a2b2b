// A child process on one processor.
#pragma once

#include "checked.hpp"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

namespace bench::echo {

inline unsigned last_processor() {
    return std::thread::hardware_concurrency() - 1;
}

/// Keeps the calling thread there. A container may forbid that: then it shares the processor.
inline void run_on_processor(unsigned number) noexcept {
    ::cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(number, &set);
    ::sched_setaffinity(0, sizeof set, &set);
}

/// Killed when this is destroyed, and when the parent ends.
class pinned_process {
public:
    /// Runs `body` in a fork of this process. A message about an exception of `body` names `who`.
    template <class Body>
    pinned_process(unsigned processor, const char* who, Body body)
        : id_{checked(::fork(), "fork")} {
        if (id_ != 0)
            return;
        try {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            run_on_processor(processor);
            body();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "bench: %s failed: %s\n", who, error.what());
        }
        ::_exit(EXIT_FAILURE);
    }
    ~pinned_process() {
        ::kill(id_, SIGTERM); // SIGTERM, so that profilers can write their results
        ::waitpid(id_, nullptr, 0);
    }
    pinned_process(const pinned_process&) = delete;
    pinned_process& operator=(const pinned_process&) = delete;

    ::pid_t id() const noexcept { return id_; }

private:
    ::pid_t id_;
};

} // namespace bench::echo
