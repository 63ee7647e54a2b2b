#include "miou_unix/registration.hpp"

#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace miou_unix {

open_descriptor::~open_descriptor() {
    if (number() >= 0)
        ::close(number()); // after EINTR Linux has closed it as well
}

std::shared_ptr<registration> registration::make(reactor& home,
                                                 std::shared_ptr<open_descriptor> descriptor,
                                                 descriptor_kind kind, bool non_blocking) {
    auto made = std::make_shared<registration>(home, std::move(descriptor), kind);
    if (!non_blocking)
        made->stay_blocking();
    home.enlist(made);
    return made;
}

registration::registration(reactor& home, std::shared_ptr<open_descriptor> descriptor,
                           descriptor_kind kind)
    : home_{&home}
    , door_{home.way_in()}
    , descriptor_{std::move(descriptor)} {
    if (kind == descriptor_kind::stream_socket)
        view_.emplace<asio_socket>(home.io()).assign({AF_UNSPEC, 0}, number());
    else
        view_.emplace<asio_descriptor>(home.io(), number());
}

registration::~registration() {
    let_go(); // `make` failed after the constructor
}

/// Asio would make it non-blocking at the first wait, once. Here that is, and it is undone.
void registration::stay_blocking() {
    const int flags = ::fcntl(number(), F_GETFL);
    with_view([](auto& view) { view.native_non_blocking(true); });
    ::fcntl(number(), F_SETFL, flags);
}

/// Asio's object does not close what it has.
void registration::let_go() noexcept {
    if (view_.index() != 0)
        with_view([](auto& view) { view.release(); });
    view_ = {};
}

void registration::release() noexcept {
    if (home_ == nullptr)
        return;
    const auto kept = shared_from_this();
    let_go();
    std::exchange(home_, nullptr)->strike_off(*this);
    descriptor_.reset();
}

void registration::release_at_home() {
    if (reactor::is_of_this_thread(*door_))
        release();
    else // if the reactor is gone, it has released this
        door_->post([self = shared_from_this()] { self->release(); });
}

} // namespace miou_unix
