#include "miou_unix/detail/registration.hpp"

#include "miou_unix/detail/errors.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <utility>

namespace miou_unix::detail {

open_descriptor::~open_descriptor() {
    if (closes_ && fd_ >= 0)
        ::close(fd_); // after EINTR Linux has closed it as well
}

std::shared_ptr<registration> registration::make(reactor& home,
                                                 std::shared_ptr<open_descriptor> descriptor,
                                                 descriptor_kind kind, bool non_blocking,
                                                 const char* caller) {
    auto made = std::make_shared<registration>(home, std::move(descriptor));
    boost::system::error_code error = made->assign(kind);
    if (!error && !non_blocking)
        error = made->stay_blocking();
    if (error)
        throw_error(error, caller);
    home.add(*made);
    return made;
}

registration::registration(reactor& home, std::shared_ptr<open_descriptor> descriptor)
    : home_{&home}
    , handle_{home.handle()}
    , descriptor_{std::move(descriptor)} {}

registration::~registration() {
    let_go(); // needed if `make` has failed
}

boost::system::error_code registration::assign(descriptor_kind kind) {
    boost::system::error_code error;
    if (kind == descriptor_kind::stream_socket)
        view_.emplace<asio_socket>(home_->io())
            .assign({AF_UNSPEC, 0}, descriptor_->number(), error);
    else
        view_.emplace<asio_descriptor>(home_->io()).assign(descriptor_->number(), error);
    if (error)
        view_ = {};
    return error;
}

/// Asio makes a descriptor non-blocking once, at the first wait. This makes Asio do it now, and
/// undoes it.
boost::system::error_code registration::stay_blocking() {
    boost::system::error_code error;
    const int fd = descriptor_->number();
    const int flags = ::fcntl(fd, F_GETFL);
    with_view([&](auto& view) { view.native_non_blocking(true, error); });
    ::fcntl(fd, F_SETFL, flags);
    return error;
}

/// Takes the descriptor from Asio's object, which would close it.
void registration::let_go() noexcept {
    with_view([](auto& view) {
        if (view.is_open())
            view.release();
    });
    view_ = {};
}

void registration::release() noexcept {
    if (home_ == nullptr)
        return;
    assert(belongs_to_this_thread());
    const auto kept = shared_from_this();
    let_go();
    std::exchange(home_, nullptr)->remove(*this);
    descriptor_.reset();
}

void registration::release_at_home() noexcept {
    if (belongs_to_this_thread())
        release();
    else
        handle_->release_soon(*this);
}

} // namespace miou_unix::detail
