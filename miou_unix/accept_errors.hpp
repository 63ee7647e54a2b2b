// Errors of `accept` that say nothing of the listening socket.
#pragma once

#include <boost/system/error_code.hpp>

#include <cerrno>

namespace miou_unix {

/// The connection that was to be accepted has failed, on its way or by a rule of the firewall; it
/// is gone, and the next one may be there. Linux reports such errors by `accept`.
inline bool is_passing_accept_error(const boost::system::error_code& error) noexcept {
    if (error.category() != boost::system::system_category())
        return false;
    switch (error.value()) {
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

/// The system is out of descriptors or memory: the connection waits. Nobody tells when there is
/// more.
inline bool is_lack_of_resources(const boost::system::error_code& error) noexcept {
    using namespace boost::system::errc;
    return error == too_many_files_open || error == too_many_files_open_in_system ||
           error == not_enough_memory || error == no_buffer_space;
}

} // namespace miou_unix
