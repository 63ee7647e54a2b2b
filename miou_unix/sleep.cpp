#include "miou_unix/sleep.hpp"

#include "miou/promise.hpp"
#include "miou_unix/reactor.hpp"

#include <cmath>
#include <stdexcept>

namespace miou_unix {
namespace {

/// `seconds` from now, or the end of time.
clock::time_point deadline_in(double seconds) {
    const clock::time_point now = clock::now();
    const std::chrono::duration<double> left = clock::time_point::max() - now;
    if (seconds >= left.count())
        return clock::time_point::max();
    return now + std::chrono::ceil<clock::duration>(std::chrono::duration<double>{seconds});
}

} // namespace

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
