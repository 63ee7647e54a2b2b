#include "miou/events.hpp"

#include "miou/domain_key.hpp"
#include "miou/syscall.hpp"

#include <stdexcept>

namespace miou {

signal::signal(const syscall& point)
    : point_{point.point()} {
    if (point_->home != detail::this_scheduler)
        throw std::invalid_argument{"This syscall does not belong to the current domain"};
}

} // namespace miou
