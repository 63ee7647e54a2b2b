// The outcome of a task: a value or the exception that ended it.
#pragma once

#include "miou/config.hpp"

#include <boost/system/result.hpp>

#include <exception>

namespace miou {

/// The outcome of a task: either a value or an exception. `.value()` returns the value or rethrows
/// the exception, `.has_value()` and `.error()` look without throwing.
///
/// To build a failed `result<bool>` write `result<bool>{boost::system::in_place_error, e}`: an
/// `exception_ptr` converts to bool. OCaml: `('a, exn) result`.
template <class T>
using result = boost::system::result<T, std::exception_ptr>;

} // namespace miou
