#include "miou_unix/stop_request.hpp"

#include "miou/sys_signal.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace miou_unix {
namespace {

/// Signals that have a function until the first of them comes. Any thread.
class borrowed_signals {
public:
    /// Takes all or none. A number that occurs twice is taken once.
    void take(std::initializer_list<int> numbers, const miou::signal_behavior& function) {
        const std::scoped_lock lock{guard_};
        before_.reserve(numbers.size());
        try {
            for (const int number : numbers)
                if (std::ranges::find(before_, number, &before::first) == before_.end())
                    before_.emplace_back(number, miou::sys_signal(number, function));
        } catch (...) {
            restore();
            throw;
        }
    }
    void give_back() {
        const std::scoped_lock lock{guard_};
        restore();
    }

private:
    using before = std::pair<int, miou::signal_behavior>;

    void restore() {
        while (!before_.empty()) {
            const auto [number, behavior] = std::move(before_.back());
            before_.pop_back();
            miou::sys_signal(number, behavior);
        }
    }

    std::mutex guard_; // the first signal may come while others are still being taken
    std::vector<before> before_;
};

} // namespace

stop_request stop_request::on(std::initializer_list<int> numbers, boost::source_location site) {
    stop_request made;
    const auto signals = std::make_shared<borrowed_signals>();
    const auto stop = [made, signals](int) {
        signals->give_back();
        made.make();
    };
    signals->take(numbers, miou::signal_handle(stop, site));
    return made;
}

} // namespace miou_unix
