#include "miou_unix/connect.hpp"

#include "miou/orphans.hpp"
#include "miou_unix/descriptor_state.hpp"
#include "miou_unix/resolve.hpp"
#include "miou_unix/socket.hpp"
#include "miou_unix/timeout.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace miou_unix {
namespace {

constexpr const char* caller = "miou_unix::connect";

/// The families take turns, beginning with that of the first.
std::vector<sockaddr> interleaved(std::span<const sockaddr> addresses) {
    std::vector<sockaddr> first;
    std::vector<sockaddr> others;
    for (const sockaddr& each : addresses)
        (each.family() == addresses.front().family() ? first : others).push_back(each);
    std::vector<sockaddr> mixed;
    for (std::size_t i = 0; i < std::max(first.size(), others.size()); ++i) {
        if (i < first.size())
            mixed.push_back(first[i]);
        if (i < others.size())
            mixed.push_back(others[i]);
    }
    return mixed;
}

file_descr connect_to(const sockaddr& address) {
    file_descr made = new_socket(address.family(), SOCK_STREAM, caller);
    connect(made, address);
    return made;
}

/// The attempts of one call, each a child of the calling task.
class race {
public:
    explicit race(std::chrono::duration<double> delay) noexcept
        : delay_{delay} {}

    file_descr run(const std::vector<sockaddr>& addresses) {
        for (std::size_t begun = 0;;) {
            alarm_.emplace();
            if (begun < addresses.size())
                begin(addresses[begun++]);
            detail::sleep_until(begun < addresses.size() ? deadline_in(delay_.count())
                                                         : clock::time_point::max(),
                                *alarm_, caller);
            if (const auto winner = look_for_winner())
                return *winner;
            if (begun == addresses.size() && miou::length(attempts_) == 0)
                throw boost::system::system_error{code_, caller + failures_};
        }
    }

private:
    void begin(const sockaddr& address) {
        miou::async(attempts_, [this, &address] {
            struct at_end {
                race& of;
                ~at_end() { of.alarm_->due.signal(); }
            } const tell{*this};
            try {
                return connect_to(address);
            } catch (const boost::system::system_error& error) {
                note(address, error.code());
                throw;
            }
        });
    }

    void note(const sockaddr& address, const boost::system::error_code& error) {
        if (!code_)
            code_ = error;
        failures_ +=
            (failures_.empty() ? ": " : "; ") + address.to_string() + ' ' + error.message();
    }

    std::optional<file_descr> look_for_winner() {
        while (const auto ended = miou::care(attempts_)) {
            if (!*ended)
                break;
            const auto outcome = miou::await(**ended);
            if (outcome.has_value()) {
                cancel_others();
                return outcome.value();
            }
            // An error of a connection was noted; anything else is for the caller.
            try {
                outcome.value();
            } catch (const boost::system::system_error&) {
            }
        }
        return std::nullopt;
    }

    void cancel_others() {
        std::vector<miou::promise<file_descr>> others;
        while (auto each = miou::take(attempts_))
            others.push_back(std::move(*each));
        miou::cancel_all(others);
    }

    const std::chrono::duration<double> delay_;
    std::optional<timer> alarm_; // goes off when the next one is due, or when one has ended
    boost::system::error_code code_;
    std::string failures_;
    miou::orphans<file_descr> attempts_; // the last: they refer to the rest
};

} // namespace

file_descr connect(connect_options options, std::span<const sockaddr> addresses) {
    if (addresses.empty())
        throw std::invalid_argument{std::string{caller} + ": there is no address"};
    if (!(options.attempt_delay.count() >= 0)) // NaN neither
        throw std::invalid_argument{std::string{caller} +
                                    ": the delay is negative or not a number"};
    return race{options.attempt_delay}.run(interleaved(addresses));
}

file_descr connect(std::span<const sockaddr> addresses) {
    return connect({}, addresses);
}

file_descr connect(connect_options options, std::string_view host, std::string_view service) {
    const auto addresses = resolve(host, service);
    return connect(options, std::span<const sockaddr>{addresses});
}

file_descr connect(std::string_view host, std::string_view service) {
    return connect({}, host, service);
}

} // namespace miou_unix
