#include "miou_unix/waiting.hpp"

#include <poll.h>

namespace miou_unix {

void wait_until(wait_type what, descriptor_state& f, const char* caller) {
    while (!run_operation(f, caller, [&](asio::posix::stream_descriptor& view, auto handler) {
        view.async_wait(what, handler);
    })) {
    }
}

bool is_ready(wait_type what, int fd) noexcept {
    ::pollfd asked{fd, static_cast<short>(what == wait_type::wait_read ? POLLIN : POLLOUT), 0};
    return ::poll(&asked, 1, 0) > 0;
}

} // namespace miou_unix
