#include "miou_unix/detail/waiting.hpp"

#include "miou_unix/detail/operation.hpp"

#include <poll.h>

#include <type_traits>

namespace miou_unix::detail {
namespace {

/// Asio has an enumeration of its own for each kind of descriptor.
template <class View>
typename View::wait_type asio_name_of(wait_type what) noexcept {
    switch (what) {
    case wait_type::read:
        return View::wait_read;
    case wait_type::write:
        return View::wait_write;
    case wait_type::error:
        break;
    }
    return View::wait_error;
}

class readiness final : public operation {
public:
    readiness(wait_type what, descriptor_state& f, const char* caller)
        : operation{f, caller}
        , what_{what} {}

private:
    void start_on(registration& here, handler completion) override {
        here.with_view([&](auto& view) {
            view.async_wait(asio_name_of<std::remove_reference_t<decltype(view)>>(what_),
                            completion);
        });
    }

    const wait_type what_;
};

} // namespace

void wait_until(wait_type what, descriptor_state& f, const char* caller) {
    readiness{what, f, caller}.run();
}

void wait_until_ready(wait_type what, descriptor_state& f, const char* caller) {
    while (f.with_number(caller, [&](int fd) { return !is_ready(what, fd); }))
        wait_until(what, f, caller);
}

bool is_ready(wait_type what, int fd) noexcept {
    ::pollfd asked{fd, static_cast<short>(what == wait_type::read ? POLLIN : POLLOUT), 0};
    return ::poll(&asked, 1, 0) > 0;
}

} // namespace miou_unix::detail
