// Logs exceptions that nobody could catch.
#pragma once

#include <string_view>
#include <utility>

namespace miou::detail {

class task;

/// To be called in a catch block. Logs that `thrower`, of the task `of` if there is one, threw the
/// exception being handled.
void log_exception(std::string_view thrower, const task* of = nullptr) noexcept;

/// Calls `fn`, and logs what it throws. Returns false if it threw.
template <class F>
bool call_and_log(std::string_view thrower, F&& fn, const task* of = nullptr) noexcept {
    try {
        std::forward<F>(fn)();
        return true;
    } catch (...) {
        log_exception(thrower, of);
        return false;
    }
}

} // namespace miou::detail
