// What cannot be thrown to anyone is logged.
#pragma once

#include <string_view>

namespace miou::detail {

class task;

/// In a catch block: logs that `thrower`, of the task `of` if there is one, threw what is being
/// handled.
void log_exception(std::string_view thrower, const task* of = nullptr) noexcept;

} // namespace miou::detail
