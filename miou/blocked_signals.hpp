// For implementers of systems: blocks POSIX signals on a thread for a while.
#pragma once

#include "miou/config.hpp"

#include <pthread.h>

#include <csignal>

namespace miou {

/// Blocks signals on the calling thread while it lives. Its destructor, which must run on the same
/// thread, restores the previous mask. A thread that is started meanwhile inherits the mask, and
/// keeps it. Throws nothing. Does not suspend. No OCaml counterpart.
class blocked_signals {
public:
    /// Blocks all signals.
    blocked_signals() noexcept
        : blocked_signals{all()} {}
    /// Blocks exactly the signals of `mask`.
    explicit blocked_signals(const sigset_t& mask) noexcept {
        ::pthread_sigmask(SIG_SETMASK, &mask, &before_);
    }
    ~blocked_signals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    blocked_signals(const blocked_signals&) = delete;
    blocked_signals& operator=(const blocked_signals&) = delete;

private:
    static sigset_t all() noexcept {
        sigset_t every;
        ::sigfillset(&every);
        return every;
    }

    sigset_t before_;
};

} // namespace miou
