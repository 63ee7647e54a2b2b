// Descriptors that a task owns.
#pragma once

#include "miou/config.hpp"
#include "miou/ownership.hpp"
#include "miou_unix/datagram.hpp"
#include "miou_unix/socket.hpp"

#include <cstddef>
#include <utility>

/// The calls of miou_unix on owned descriptors. The running task must own them (`miou::not_owner`).
/// They are closed when it ends by an exception or a cancellation. OCaml: `Miou_unix.Ownership`.
namespace miou_unix::ownership {

/// A descriptor with the proof that the running task owns it. A handle. OCaml:
/// `Ownership.file_descr`.
class MIOU_API file_descr {
public:
    /// The running task becomes the owner.
    explicit file_descr(miou_unix::file_descr f);

    /// The proof, to give to a child or to transfer. OCaml: `Ownership.resource`.
    const miou::ownership& resource() const noexcept { return resource_; }
    /// The descriptor, if the running task owns it; throws `miou::not_owner`.
    const miou_unix::file_descr& checked() const {
        resource_.check();
        return f_;
    }
    /// Without the check. OCaml: `Ownership.to_file_descr`.
    const miou_unix::file_descr& unchecked() const noexcept { return f_; }

private:
    miou_unix::file_descr f_;
    miou::ownership resource_;
};

/// Each function does what its namesake in `miou_unix` does. Those that return a descriptor make
/// the running task its owner; `close` closes and disowns. For a buffer sequence, call the function
/// of `miou_unix` on `f.checked()`.
MIOU_API file_descr of_file_descr(int fd);
MIOU_API file_descr of_file_descr(of_file_descr_options options, int fd);
MIOU_API int to_file_descr(const file_descr& f);
MIOU_API const miou::ownership& resource(const file_descr& f);
MIOU_API file_descr tcpv4();
MIOU_API file_descr tcpv6();
MIOU_API file_descr udpv4();
MIOU_API file_descr udpv6();
MIOU_API void bind_and_listen(const file_descr& f, const sockaddr& address);
MIOU_API void bind_and_listen(bind_and_listen_options options, const file_descr& f,
                              const sockaddr& address);
MIOU_API std::pair<file_descr, sockaddr> accept(const file_descr& f);
MIOU_API std::pair<file_descr, sockaddr> accept(accept_options options, const file_descr& f);
MIOU_API void connect(const file_descr& f, const sockaddr& address);
[[nodiscard]] MIOU_API std::size_t read(const file_descr& f, mutable_view buffer, slice part = {});
MIOU_API void really_read(const file_descr& f, mutable_view buffer, slice part = {});
MIOU_API void write(const file_descr& f, const_view buffer, slice part = {});
MIOU_API std::pair<std::size_t, sockaddr> recvfrom(const file_descr& f, mutable_view buffer,
                                                   slice part = {}, int flags = 0);
MIOU_API std::size_t sendto(const file_descr& f, const_view buffer, const sockaddr& address,
                            slice part = {}, int flags = 0);
MIOU_API void close(const file_descr& f);

} // namespace miou_unix::ownership
