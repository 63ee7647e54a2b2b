#include "miou_unix/detail/descriptor_state.hpp"

#include "miou_unix/detail/errors.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace miou_unix::detail {
namespace {

/// A new number for the same file, closed on exec if `fd` is.
int duplicate(int fd, const char* caller) {
    const int flags = ::fcntl(fd, F_GETFD);
    const int made = ::fcntl(fd, flags & FD_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
    if (made < 0)
        throw_errno(errno, caller);
    return made;
}

} // namespace

descriptor_kind kind_of(int socket_type) noexcept {
    return socket_type == SOCK_STREAM ? descriptor_kind::stream_socket
                                      : descriptor_kind::datagram_socket;
}

file_descr new_socket(int family, int type, const char* caller) {
    auto made = std::make_shared<descriptor_state>(kind_of(type), true);
    const int fd = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        throw_errno(errno, caller);
    made->adopt(fd);
    return file_descr{std::move(made)};
}

descriptor_state::descriptor_state(descriptor_kind kind, bool non_blocking)
    : kind_{kind}
    , non_blocking_{non_blocking}
    , descriptor_{std::make_shared<open_descriptor>()} {}

void descriptor_state::adopt(int fd) noexcept {
    number_ = fd;
    descriptor_->adopt(fd);
}

descriptor_state::~descriptor_state() {
    shut(std::unique_lock{guard_});
}

std::shared_ptr<open_descriptor> descriptor_state::open(const char* caller) const {
    const std::scoped_lock lock{guard_};
    if (!descriptor_)
        throw_errno(EBADF, caller);
    return descriptor_;
}

registration* descriptor_state::first_if_here() const noexcept {
    const reactor* const mine = reactor::current_or_null();
    if (mine == nullptr || is_closed() ||
        home_of_first_.load(std::memory_order_acquire) != mine->handle().get())
        return nullptr;
    return first_;
}

registration& descriptor_state::here(const char* caller) {
    if (registration* const first = first_if_here())
        return *first;
    reactor& mine = reactor::current(caller);
    const std::scoped_lock lock{guard_};
    if (!descriptor_)
        throw_errno(EBADF, caller);
    for (const auto& each : registrations_)
        if (each->belongs_to(mine))
            return *each;
    return register_at(mine, caller);
}

/// With the lock held.
registration& descriptor_state::register_at(reactor& mine, const char* caller) {
    // First, because a new handle may get the address of the one that goes.
    if (!registrations_.empty() && registrations_.front()->is_of_the_past())
        home_of_first_.store(nullptr, std::memory_order_relaxed);
    std::erase_if(registrations_, [](const auto& each) { return each->is_of_the_past(); });
    registrations_.reserve(registrations_.size() + 1); // may throw, so before one is made
    registrations_.push_back(registration::make(mine, descriptor_, kind_, non_blocking_, caller));
    if (home_of_first_.load(std::memory_order_relaxed) == nullptr) {
        first_ = registrations_.front().get();
        home_of_first_.store(&first_->handle(), std::memory_order_release);
    }
    return *registrations_.back();
}

/// Returns whether it was open.
bool descriptor_state::shut(std::unique_lock<std::mutex> lock) noexcept {
    closed_.store(true, std::memory_order_release);
    const auto last = std::exchange(descriptor_, nullptr);
    const auto released = std::exchange(registrations_, {});
    home_of_first_.store(nullptr, std::memory_order_relaxed);
    lock.unlock();
    for (const auto& each : released)
        each->release_at_home();
    return last != nullptr;
}

void descriptor_state::close() {
    if (!shut(std::unique_lock{guard_}))
        throw_errno(EBADF, "miou_unix::close");
}

/// With the lock held, so that nobody gets the number meanwhile. Those that have it will let go of
/// it.
bool descriptor_state::is_used_elsewhere() const noexcept {
    const auto here = std::ranges::count_if(
        registrations_, [](const auto& each) { return each->belongs_to_this_thread(); });
    return descriptor_.use_count() > 1 + here;
}

int descriptor_state::release() {
    constexpr const char* caller = "miou_unix::file_descr::release";
    std::unique_lock lock{guard_};
    if (!descriptor_)
        throw_errno(EBADF, caller);
    const int given = is_used_elsewhere() ? duplicate(number_, caller) : descriptor_->give_back();
    shut(std::move(lock));
    return given;
}

} // namespace miou_unix::detail
