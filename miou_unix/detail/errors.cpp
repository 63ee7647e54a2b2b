#include "miou_unix/detail/errors.hpp"

#include <boost/system/system_error.hpp>

#include <cerrno>

namespace miou_unix::detail {

void throw_errno(int error, const char* caller) {
    throw_error({error, boost::system::system_category()}, caller);
}

void throw_error(const boost::system::error_code& error, const char* caller) {
    // Drops the line of source that Asio adds.
    throw boost::system::system_error{boost::system::error_code{error.value(), error.category()},
                                      caller};
}

bool would_block(int error) noexcept {
    return error == EAGAIN || error == EWOULDBLOCK;
}

bool is_passing_accept_error(const boost::system::error_code& error) noexcept {
    if (error.category() != boost::system::system_category())
        return false;
    switch (error.value()) { // those that `accept` of Linux reports
    case ECONNABORTED:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPERM:
    case EPROTO:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

bool is_lack_of_resources(const boost::system::error_code& error) noexcept {
    using namespace boost::system::errc;
    return error == too_many_files_open || error == too_many_files_open_in_system ||
           error == not_enough_memory || error == no_buffer_space;
}

} // namespace miou_unix::detail
