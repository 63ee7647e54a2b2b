// Waiting for a descriptor.
#pragma once

#include "miou/promise.hpp"
#include "miou_unix/detail/descriptor_state.hpp"
#include "miou_unix/detail/errors.hpp"

#include <cerrno>

// The functions that suspend need a running task, and throw `miou::cancelled`,
// `miou::no_select_provided` and EBADF, naming `caller`.

namespace miou_unix::detail {

enum class wait_type { read, write, error };

/// Parks until a call on `f` is unlikely to block. It may still block: another task may be faster.
/// And an event of another descriptor, closed before, may still be on its way to the same place in
/// Asio.
void wait_until(wait_type what, descriptor_state& f, const char* caller);

/// The same until the system says that a call would not block. Does not suspend if it says so at
/// once.
void wait_until_ready(wait_type what, descriptor_state& f, const char* caller);

/// Whether a call on `fd` would not block. Does not suspend, throws nothing.
bool is_ready(wait_type what, int fd) noexcept;

/// Repeats `call`, a system call on the raw descriptor, while it is interrupted or would block.
/// Waits for `what` in between. Throws the errno of other errors.
template <class Call>
auto retry(wait_type what, descriptor_state& f, const char* caller, Call&& call) {
    miou::consume_budget(caller); // may throw, so before the call: its result must be returned
    for (;;) {
        if (!f.non_blocking())
            wait_until_ready(what, f, caller);
        const auto returned = f.with_number(caller, call);
        if (returned >= 0)
            return returned;
        if (would_block(errno))
            wait_until(what, f, caller);
        else if (errno != EINTR)
            throw_errno(errno, caller);
    }
}

} // namespace miou_unix::detail
