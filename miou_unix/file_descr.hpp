// Descriptors.
#pragma once

#include "miou/config.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace miou_unix {

namespace detail {
class descriptor_state;
}

/// What `of_file_descr` does to the descriptor.
struct of_file_descr_options {
    /// Puts it into non-blocking mode, which its copies in other processes share. If false, calls
    /// first wait until it is ready, and a write of more than fits blocks the domain.
    bool non_blocking = true;
};

/// A handle on a descriptor. Any domain may use it, also several at once; the kernel decides who
/// gets which data. Copies name the same descriptor, and are equal. `close` through one of them
/// closes it for all: later calls, and calls that are parked on it, throw EBADF. The last handle
/// closes a descriptor that is still open. EBADF means `boost::system::system_error` with
/// `bad_file_descriptor`, here and below. A call on a handle that was moved from throws
/// `std::invalid_argument`. OCaml: `Miou_unix.file_descr`.
class MIOU_API file_descr {
public:
    /// Gives the raw descriptor back to the caller, in non-blocking mode. Otherwise acts like
    /// `close` for all handles.
    ///
    /// The returned number belongs to the caller alone. If another domain has the descriptor
    /// registered, or has a call on it under way, the number is a new one, of the same open file.
    /// The old number, which `to_file_descr` has returned, is closed a moment later, when that
    /// domain has let go of it. Until then the peer sees no end of the stream.
    ///
    /// Throws EBADF if it was closed. Throws EMFILE if a new number is needed and there is none;
    /// then nothing has changed. Any thread. Does not suspend. No OCaml counterpart.
    int release();

    friend bool operator==(const file_descr&, const file_descr&) noexcept = default;
    friend std::size_t hash_value(const file_descr& f) noexcept {
        return std::hash<std::shared_ptr<detail::descriptor_state>>{}(f.state_);
    }

    // For the functions of miou_unix.
    explicit file_descr(std::shared_ptr<detail::descriptor_state> state) noexcept
        : state_{std::move(state)} {}
    /// Throws `std::invalid_argument`, naming `caller`, if this was moved from.
    detail::descriptor_state& state(const char* caller) const {
        if (!state_)
            refuse_moved_from(caller);
        return *state_;
    }

private:
    [[noreturn]] static void refuse_moved_from(const char* caller);

    std::shared_ptr<detail::descriptor_state> state_;
};

/// Takes over `fd`, the descriptor of a socket, a pipe, a terminal or an eventfd. Throws
/// `boost::system::system_error` (EBADF) if it is no descriptor. Any thread. OCaml:
/// `Miou_unix.of_file_descr`.
MIOU_API file_descr of_file_descr(int fd);
MIOU_API file_descr of_file_descr(of_file_descr_options options, int fd);

/// The raw descriptor, which still belongs to `f`. Do not close it: `f` would read, write and close
/// whatever gets the number next. Throws EBADF if it was closed. Any thread. OCaml:
/// `Miou_unix.to_file_descr`.
MIOU_API int to_file_descr(const file_descr& f);

/// Closes `f` for every handle. Calls that are parked on it, on any domain, throw EBADF. The number
/// is not reused before they have let go of it. Throws EBADF if it was closed. Any thread. Does not
/// suspend. OCaml: `Miou_unix.close`.
MIOU_API void close(const file_descr& f);

} // namespace miou_unix

/// Equal for copies of one handle.
template <>
struct std::hash<miou_unix::file_descr> {
    std::size_t operator()(const miou_unix::file_descr& f) const noexcept { return hash_value(f); }
};
