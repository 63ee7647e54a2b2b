// Waiting for descriptors that somebody else reads and writes.
#pragma once

#include <string_view>

namespace miou_unix {

/// What can be said of a wait.
struct blocking_options {
    /// Stands in the text of what is thrown: "miou_unix::blocking_read (name)". Read before the
    /// call returns.
    std::string_view name = {};
};

/// Parks the running task until a `read` of the raw descriptor `fd` would not block: there is
/// something to read, the end, or an error. Likewise for a `write`.
///
/// For what a library of its own reads and writes: any socket, pipe, terminal or eventfd, in
/// blocking mode or not, which is left as it is. Several tasks, on several domains, may wait for
/// the same one (up to 500 of them, a limit of Linux: EINVAL). When the call has returned nothing
/// is left that knows the number. Do not close `fd` while a task waits for it: nobody would wake
/// the task, but a cancellation.
///
/// Throws `boost::system::system_error`: EPERM for what does not know waiting, a regular file, a
/// folder or /dev/null, which can be read and written at any time; EBADF; EMFILE, since a call uses
/// up a descriptor while it lasts. Otherwise like the functions of `socket.hpp`: suspends unless
/// `fd` is ready, cancellable. OCaml: `Miou_unix.blocking_read`, `blocking_write`.
void blocking_read(int fd);
void blocking_read(blocking_options options, int fd);
void blocking_write(int fd);
void blocking_write(blocking_options options, int fd);

} // namespace miou_unix
