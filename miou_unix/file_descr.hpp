// Descriptors.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace miou_unix {

namespace detail {
class descriptor_state;
}

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
/// Equal are the copies of one handle. A call on one that was moved from throws
/// `std::invalid_argument`. OCaml: `Miou_unix.file_descr`.
class file_descr {
public:
    /// Gives the raw descriptor back to the caller, in non-blocking mode, and acts like `close` for
    /// all handles otherwise.
    ///
    /// The number that it returns is the caller's alone: nothing that still knows the descriptor
    /// can touch what the caller opens under this number after closing it. So it is another number
    /// than `to_file_descr` has told, of the same open file, while another domain has the
    /// descriptor registered, or a call on it is under way there: the old number is closed when
    /// they have let go, a moment later. Until then the peer sees no end of the stream.
    ///
    /// Throws EBADF if it was closed; EMFILE when another number is needed and there is none: then
    /// nothing has changed. Any thread. Does not suspend. No OCaml counterpart.
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

/// Takes over `fd`: of a socket, a pipe, a terminal, an eventfd. Throws
/// `boost::system::system_error` (EBADF) if it is none. Any thread. OCaml:
/// `Miou_unix.of_file_descr`.
file_descr of_file_descr(int fd);
file_descr of_file_descr(of_file_descr_options options, int fd);

/// The raw descriptor, which still belongs to `f`. Do not close it: `f` would go on to read, write
/// and close whatever gets the number next. Throws EBADF if it was closed. Any thread.
/// OCaml: `Miou_unix.to_file_descr`.
int to_file_descr(const file_descr& f);

/// Closes `f` for every handle. Tasks that are parked on it, on any domain, throw EBADF; the number
/// is not reused before they have let go of it. Throws EBADF if it was closed. Any thread. Does not
/// suspend. OCaml: `Miou_unix.close`.
void close(const file_descr& f);

} // namespace miou_unix

/// Equal for copies of one handle.
template <>
struct std::hash<miou_unix::file_descr> {
    std::size_t operator()(const miou_unix::file_descr& f) const noexcept { return hash_value(f); }
};
