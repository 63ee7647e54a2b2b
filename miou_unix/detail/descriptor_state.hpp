// The state that the handles of one descriptor share.
#pragma once

#include "miou_unix/detail/registration.hpp"
#include "miou_unix/file_descr.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace miou_unix::detail {

/// Any thread, unless a function says otherwise.
class descriptor_state {
public:
    /// Without a descriptor yet. Make it first, so that nothing can fail once the descriptor
    /// exists.
    descriptor_state(descriptor_kind kind, bool non_blocking);
    ~descriptor_state();
    /// Takes over `fd`. To be called before anybody else knows this.
    void adopt(int fd) noexcept;

    descriptor_kind kind() const noexcept { return kind_; }
    bool is_socket() const noexcept { return kind_ != descriptor_kind::other; }
    bool non_blocking() const noexcept { return non_blocking_; }
    bool is_closed() const noexcept { return closed_.load(std::memory_order_acquire); }

    /// The descriptor, which stays open as long as the result is held. Throws EBADF, naming
    /// `caller`.
    std::shared_ptr<open_descriptor> open(const char* caller) const;
    /// The calling domain's registration, made when it is first needed. It lives until this is
    /// closed, and then until the calling task suspends. Throws EBADF, and what registering throws,
    /// naming `caller`.
    registration& here(const char* caller);
    /// Calls `fn` with the raw descriptor, which stays open until the calling task suspends. Throws
    /// EBADF, naming `caller`.
    template <class F>
    auto with_number(const char* caller, F&& fn) const {
        if (first_if_here() != nullptr) // the registration keeps it open
            return fn(number_);
        return fn(open(caller)->number());
    }

    void close();
    int release();

    /// Whether the last read filled its buffer, and found something at once. Then most likely there
    /// is more.
    bool may_have_more() const noexcept { return may_have_more_.load(std::memory_order_relaxed); }
    void set_may_have_more(bool more) noexcept {
        may_have_more_.store(more, std::memory_order_relaxed);
    }

private:
    bool shut(std::unique_lock<std::mutex> lock) noexcept;
    bool is_used_elsewhere() const noexcept;
    registration* first_if_here() const noexcept;
    registration& register_at(reactor& mine, const char* caller);

    const descriptor_kind kind_;
    const bool non_blocking_;
    int number_ = -1; // constant once adopted, even when it is closed
    std::atomic<bool> closed_ = false;
    std::atomic<bool> may_have_more_ = false;
    // Most descriptors are used by only one domain. It finds its registration here without the
    // lock, because no other domain can destroy that. Null while there is none. `first_` is written
    // before.
    std::atomic<const reactor::remote_handle*> home_of_first_ = nullptr;
    registration* first_ = nullptr;

    mutable std::mutex guard_;                                 // for the rest
    std::shared_ptr<open_descriptor> descriptor_;              // null: closed
    std::vector<std::shared_ptr<registration>> registrations_; // at most one a domain
};

/// The kind of a socket of that type.
descriptor_kind kind_of(int socket_type) noexcept;

/// A new socket, non-blocking, closed on exec. Throws the errno, naming `caller`.
file_descr new_socket(int family, int type, const char* caller);

} // namespace miou_unix::detail
