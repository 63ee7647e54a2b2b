#include "miou_unix/connect.hpp"

#include "miou/orphans.hpp"
#include "miou_unix/detail/descriptor_state.hpp"
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

using namespace detail;

namespace {

constexpr const char* connect_name = "miou_unix::connect";

/// Alternates the families, beginning with that of the first address.
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
    file_descr made = new_socket(address.family(), SOCK_STREAM, connect_name);
    connect(made, address);
    return made;
}

struct connection {
    file_descr socket;
    const sockaddr* peer;
};

/// The attempts of one call, each a child of the calling task.
class race {
public:
    race(std::chrono::duration<double> delay, std::vector<sockaddr> addresses) noexcept
        : delay_{delay}
        , addresses_{std::move(addresses)} {}

    connection run() {
        for (auto next = addresses_.begin();;) {
            if (next != addresses_.end())
                begin(*next++);
            else if (miou::length(attempts_) == 0)
                throw boost::system::system_error{code_, connect_name + failures_};
            const auto due =
                next != addresses_.end() ? deadline_in(delay_.count()) : clock::time_point::max();
            if (const auto winner = wait_until(due))
                return *winner;
        }
    }

private:
    void begin(const sockaddr& address) {
        miou::async(attempts_, [this, &address] {
            try {
                return connection{connect_to(address), &address};
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

    /// Waits until an attempt wins, and returns that. Empty if one fails, or `due` has come.
    std::optional<connection> wait_until(clock::time_point due) {
        detail::time_limit limit{due, connect_name};
        const auto ended = limit.run([this] { return miou::get(attempts_); });
        if (!ended || !*ended)
            return std::nullopt;
        try {
            const connection winner = (*ended)->value();
            cancel_others();
            return winner;
        } catch (const boost::system::system_error&) { // noted; other errors go to the caller
            return std::nullopt;
        }
    }

    void cancel_others() {
        std::vector<miou::promise<connection>> others;
        while (auto each = miou::take(attempts_))
            others.push_back(std::move(*each));
        miou::cancel_all(others);
    }

    const std::chrono::duration<double> delay_;
    const std::vector<sockaddr> addresses_;
    boost::system::error_code code_;
    std::string failures_;
    miou::orphans<connection> attempts_; // destroyed first: they refer to the other members
};

} // namespace

file_descr connect(connect_options options, std::span<const sockaddr> addresses) {
    if (addresses.empty())
        throw std::invalid_argument{std::string{connect_name} + ": there is no address"};
    if (!(options.attempt_delay.count() >= 0)) // also true for NaN
        throw std::invalid_argument{std::string{connect_name} +
                                    ": the delay is negative or not a number"};
    race attempts{options.attempt_delay, interleaved(addresses)};
    const connection made = attempts.run();
    if (options.winner != nullptr)
        *options.winner = *made.peer;
    return made.socket;
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
