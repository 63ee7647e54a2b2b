#include "miou_unix/stop_request.hpp"

#include "miou/sys_signal.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace miou_unix {

stop_request stop_request::on(std::initializer_list<int> numbers) {
    using behaviours = std::vector<std::pair<int, miou::signal_behavior>>;
    const auto before = std::make_shared<behaviours>();
    const auto give_back = [before] {
        for (const auto& [number, behaviour] : std::exchange(*before, {}))
            miou::sys_signal(number, behaviour);
    };
    const stop_request made;
    try {
        for (const int number : numbers)
            before->emplace_back(number, miou::sys_signal(number, miou::signal_ignore()));
        for (const int number : numbers)
            miou::sys_signal(number, miou::signal_handle([made, give_back](int) {
                                 give_back();
                                 made.make();
                             }));
    } catch (...) {
        give_back();
        throw;
    }
    return made;
}

} // namespace miou_unix
