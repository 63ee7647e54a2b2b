#include "miou_unix/registration.hpp"

#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <unistd.h>

namespace miou_unix {

open_descriptor::~open_descriptor() {
    if (number() >= 0)
        ::close(number()); // after EINTR Linux has closed it as well
}

std::shared_ptr<registration>
registration::make(reactor& home, std::shared_ptr<open_descriptor> descriptor, bool non_blocking) {
    auto made = std::make_shared<registration>(home, std::move(descriptor), non_blocking);
    home.enlist(made);
    return made;
}

registration::registration(reactor& home, std::shared_ptr<open_descriptor> descriptor,
                           bool non_blocking)
    : home_{&home}
    , door_{home.way_in()}
    , view_{std::in_place, home.io()}
    , descriptor_{std::move(descriptor)} {
    view_->assign(descriptor_->number());
    if (!non_blocking) {
        // Asio would make it non-blocking at the first wait, once. Here that is, and it is undone.
        const int flags = ::fcntl(descriptor_->number(), F_GETFL);
        view_->native_non_blocking(true);
        ::fcntl(descriptor_->number(), F_SETFL, flags);
    }
}

registration::~registration() {
    if (view_)
        view_->release(); // `make` failed after the constructor: it is still registered
}

void registration::release() noexcept {
    if (home_ == nullptr)
        return;
    const auto kept = shared_from_this();
    view_->release();
    view_.reset();
    std::exchange(home_, nullptr)->strike_off(*this);
    descriptor_.reset();
}

void registration::release_at_home() {
    if (reactor* const here = reactor::current_or_null(); here != nullptr && belongs_to(*here))
        release();
    else // if the reactor is gone, it has released this
        door_->post([self = shared_from_this()] { self->release(); });
}

} // namespace miou_unix
