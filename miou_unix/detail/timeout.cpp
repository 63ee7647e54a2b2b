#include "miou_unix/timeout.hpp"

#include "miou_unix/detail/reactor.hpp"

#include <boost/asio/error.hpp>

#include <sstream>
#include <stdexcept>

namespace miou_unix {

using namespace detail;

timed_out::timed_out(const std::string& limit)
    : boost::system::system_error{
          boost::asio::error::make_error_code(boost::asio::error::timed_out), limit} {}

namespace detail {

time_limit::time_limit(clock::time_point deadline, const char* caller)
    : home_{reactor::current(caller)} {
    if (deadline != clock::time_point::max())
        home_.add(*this, deadline);
}

time_limit::~time_limit() {
    home_.remove(*this);
}

void throw_timed_out(const limit_name& limit) {
    std::ostringstream text;
    text << limit.caller;
    if (limit.seconds)
        text << " of " << *limit.seconds << " s";
    text << " at " << limit.site.file_name() << ':' << limit.site.line();
    throw timed_out{text.str()};
}

clock::time_point deadline_of_timeout(double seconds) {
    if (!(seconds >= 0)) // also true for NaN
        throw std::invalid_argument{
            "miou_unix::with_timeout: the time is negative or not a number"};
    return deadline_in(seconds);
}

} // namespace detail
} // namespace miou_unix
