// System calls that fail.
#pragma once

#include <cerrno>
#include <system_error>

namespace bench::echo {

/// Throws the errno, naming `call`, if `returned` says that the call has failed.
template <class T>
T checked(T returned, const char* call) {
    if (returned < 0)
        throw std::system_error{errno, std::generic_category(), call};
    return returned;
}

} // namespace bench::echo
