#include "miou_unix/timeout.hpp"

#include "miou_unix/reactor.hpp"

#include <boost/asio/error.hpp>

#include <stdexcept>

namespace miou_unix {

timed_out::timed_out(const char* caller)
    : boost::system::system_error{
          boost::asio::error::make_error_code(boost::asio::error::timed_out), caller} {}

clock::time_point detail::deadline_of_timeout(double seconds) {
    if (!(seconds >= 0)) // NaN neither
        throw std::invalid_argument{
            "miou_unix::with_timeout: the time is negative or not a number"};
    return deadline_in(seconds);
}

void detail::sleep_until(clock::time_point deadline, timer& alarm, const char* caller) {
    reactor::current(caller).sleep_until(deadline, alarm);
}

} // namespace miou_unix
