// For implementers of systems: POSIX signals that a thread does not take.
#pragma once

#include <pthread.h>

#include <csignal>

namespace miou {

/// While it lives, the calling thread takes none of some signals; its destructor gives the thread
/// back the mask that it had. A thread that is started meanwhile inherits the mask, and keeps it.
/// Destroyed on the same thread. Throws nothing, does not suspend. No OCaml counterpart.
class blocked_signals {
public:
    /// All signals.
    blocked_signals() noexcept
        : blocked_signals{all()} {}
    /// Exactly those of `mask`.
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
