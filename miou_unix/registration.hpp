// A descriptor in the reactor of one domain.
#pragma once

#include "miou_unix/reactor.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <atomic>
#include <memory>
#include <optional>

namespace miou_unix {

/// Closes the descriptor when the last one lets go of it: the handle, and each reactor that still
/// has it registered. So its number is not reused while a reactor knows it.
class open_descriptor {
public:
    explicit open_descriptor(int fd) noexcept
        : fd_{fd} {}
    open_descriptor(const open_descriptor&) = delete;
    open_descriptor& operator=(const open_descriptor&) = delete;
    ~open_descriptor();

    int number() const noexcept { return fd_.load(std::memory_order_relaxed); }
    /// It will not be closed. Whoever still has this sees -1, which every call refuses.
    int give_back() noexcept { return fd_.exchange(-1, std::memory_order_relaxed); }

private:
    std::atomic<int> fd_;
};

/// Asio's view of a descriptor on one domain. Belongs to the thread of that domain.
class registration : public std::enable_shared_from_this<registration> {
public:
    /// Throws `boost::system::system_error`.
    static std::shared_ptr<registration>
    make(reactor& home, std::shared_ptr<open_descriptor> descriptor, bool non_blocking);
    registration(reactor& home, std::shared_ptr<open_descriptor> descriptor, bool non_blocking);
    ~registration();

    /// Ends every operation with `operation_aborted` and leaves the reactor.
    void release() noexcept;
    /// Same, on the right thread: at once on the home domain, soon elsewhere.
    void release_at_home();

    /// Any thread.
    bool belongs_to(const reactor& r) const noexcept { return door_ == r.way_in(); }
    /// Its reactor is gone. Any thread.
    bool is_of_the_past() const { return door_->is_closed(); }
    /// Not once it was released.
    asio::posix::stream_descriptor& asio_view() noexcept { return *view_; }

    // The home's list.
    std::shared_ptr<registration> next;
    registration* previous = nullptr;

private:
    reactor* home_; // null once released
    const std::shared_ptr<reactor::door> door_;
    std::optional<asio::posix::stream_descriptor> view_; // not after the reactor
    std::shared_ptr<open_descriptor> descriptor_;
};

} // namespace miou_unix
