// Waiting for descriptors that somebody else reads and writes.
#pragma once

#include "miou/config.hpp"

#include <string_view>

namespace miou_unix {

/// The options of a wait.
struct blocking_options {
    /// Part of the text of an exception: "miou_unix::blocking_read (name)". Must stay valid until
    /// the call returns.
    std::string_view name = {};
};

/// Parks the running task until a `read` of the raw descriptor `fd` would not block: there is
/// something to read, the end, or an error. `blocking_write` does the same for a `write`.
///
/// For descriptors that another library reads and writes: any socket, pipe, terminal or eventfd, in
/// blocking mode or not. The mode is left as it is. Several tasks, on several domains, may wait for
/// the same descriptor (up to 500 of them, a limit of Linux: EINVAL). Once the call has returned,
/// nothing refers to the number any more. Do not close `fd` while a task waits for it: then only a
/// cancellation would wake the task.
///
/// Throws `boost::system::system_error`: EPERM for a regular file, a folder or /dev/null, which
/// never make a caller wait; EBADF; EMFILE, because a call uses up a descriptor while it lasts.
/// Otherwise like the functions of `socket.hpp`: suspends unless `fd` is ready; cancellable. OCaml:
/// `Miou_unix.blocking_read`, `blocking_write`.
MIOU_API void blocking_read(int fd);
MIOU_API void blocking_read(blocking_options options, int fd);
MIOU_API void blocking_write(int fd);
MIOU_API void blocking_write(blocking_options options, int fd);

} // namespace miou_unix
