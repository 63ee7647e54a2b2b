#include "miou_unix/sleep.hpp"

#include "miou/promise.hpp"
#include "miou_unix/clock.hpp"
#include "miou_unix/detail/reactor.hpp"

#include <cmath>
#include <stdexcept>

namespace miou_unix {

using namespace detail;

void sleep(double seconds) {
    if (std::isnan(seconds))
        throw std::invalid_argument{"miou_unix::sleep: the time is not a number"};
    reactor& here = reactor::current("miou_unix::sleep");
    if (seconds <= 0)
        miou::yield();
    else
        here.sleep_until(deadline_in(seconds));
}

} // namespace miou_unix
