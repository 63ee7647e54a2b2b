#include "miou_unix/clock.hpp"

namespace miou_unix {

clock::time_point deadline_in(double seconds) {
    const clock::time_point now = clock::now();
    const std::chrono::duration<double> left = clock::time_point::max() - now;
    if (seconds >= left.count())
        return clock::time_point::max();
    return now + std::chrono::ceil<clock::duration>(std::chrono::duration<double>{seconds});
}

} // namespace miou_unix
