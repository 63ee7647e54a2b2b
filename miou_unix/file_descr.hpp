// Descriptors.
#pragma once

#include <memory>

namespace miou_unix {

class descriptor_state;

/// What `of_file_descr` does to the descriptor it is given.
struct of_file_descr_options {
    /// Puts it into non-blocking mode, which its copies in other processes share. If false, the
    /// calls wait for readiness first; a write of more than fits then blocks the domain.
    bool non_blocking = true;
};

/// A handle on a descriptor, usable from any domain, from several at once as the kernel deals the
/// data. Copies name the same descriptor: `close` through any of them closes it for all; later
/// calls, and those that are parked on it, throw EBADF. The last handle closes what is still open.
/// Throwing EBADF means `boost::system::system_error` with `bad_file_descriptor`, here and below.
/// OCaml: `Miou_unix.file_descr`.
class file_descr {
public:
    /// Gives the raw descriptor back to the caller, in non-blocking mode, and acts like `close` for
    /// all handles otherwise. When a task of another domain has waited for it, that domain lets go
    /// of it a moment later. Throws EBADF if it was closed. Does not suspend.
    int release();

    // For the functions of miou_unix.
    explicit file_descr(std::shared_ptr<descriptor_state> state) noexcept
        : state_{std::move(state)} {}
    descriptor_state& state() const noexcept { return *state_; }

private:
    std::shared_ptr<descriptor_state> state_;
};

/// Takes over `fd`: of a socket, a pipe, a terminal, an eventfd. Throws
/// `boost::system::system_error` (EBADF) if it is none. Any thread. OCaml:
/// `Miou_unix.of_file_descr`.
file_descr of_file_descr(int fd);
file_descr of_file_descr(of_file_descr_options options, int fd);

/// The raw descriptor, which still belongs to `f`. Throws EBADF if it was closed. Any thread.
/// OCaml: `Miou_unix.to_file_descr`.
int to_file_descr(const file_descr& f);

/// Closes `f` for every handle. Tasks that are parked on it, on any domain, throw EBADF; the number
/// is not reused before they have let go of it. Throws EBADF if it was closed. Any thread. Does not
/// suspend. OCaml: `Miou_unix.close`.
void close(const file_descr& f);

} // namespace miou_unix
