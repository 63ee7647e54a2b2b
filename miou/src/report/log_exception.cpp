#include "miou/src/report/log_exception.hpp"

#include "miou/detail/task.hpp"
#include "miou/logs.hpp"
#include "miou/src/report/fixed_line.hpp"

namespace miou::detail {

void log_exception(std::string_view thrower, const task* of) noexcept {
    fixed_line owner;
    if (of != nullptr) {
        owner.add(" of ");
        owner.add_description(*of);
    }
    try {
        throw;
    } catch (const std::exception& error) {
        logs::write(logs::level::error, {thrower, owner.text(), " threw: ", error.what()});
    } catch (...) {
        logs::write(logs::level::error, {thrower, owner.text(), " threw"});
    }
}

} // namespace miou::detail
