#include "miou_unix/serve.hpp"

#include "miou/at_end.hpp"
#include "miou/logs.hpp"
#include "miou_unix/detail/errors.hpp"
#include "miou_unix/sleep.hpp"
#include "miou_unix/socket.hpp"
#include "miou_unix/timeout.hpp"
#include "miou_unix/until.hpp"

#include <boost/system/system_error.hpp>

#include <optional>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace miou_unix {

using namespace detail;

namespace {

// Nothing tells when the system has descriptors again.
constexpr std::chrono::milliseconds pause_without_descriptors{100};

/// Lower if the peer has gone, which happens to every server.
miou::logs::level level_of(const boost::system::error_code& failure) {
    using namespace boost::system::errc;
    const bool peer_has_gone =
        failure == connection_reset || failure == broken_pipe || failure == not_connected;
    return peer_has_gone ? miou::logs::level::debug : miou::logs::level::warning;
}

/// Wraps the exception that has ended a connection.
class connection_failed : public std::exception {
public:
    connection_failed(const sockaddr& peer, std::exception_ptr cause)
        : peer_{peer.to_string()}
        , cause_{std::move(cause)} {}
    const char* what() const noexcept override { return peer_.c_str(); }
    const std::exception_ptr& cause() const noexcept { return cause_; }

private:
    std::string peer_;
    std::exception_ptr cause_;
};

void log_failure(const std::string& who, const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const miou::cancelled&) {
    } catch (const connection_failed& error) {
        log_failure(who + ", which served " + error.what() + ',', error.cause());
    } catch (const boost::system::system_error& error) {
        miou::logs::write(level_of(error.code()), {who, " failed: ", error.what()});
    } catch (const std::exception& error) {
        miou::logs::write(miou::logs::level::warning, {who, " failed: ", error.what()});
    } catch (...) {
        miou::logs::write(miou::logs::level::warning, {who, " failed"});
    }
}

std::string described(const miou::promise<void>& task) {
    std::ostringstream text;
    text << task;
    return text.str();
}

/// One connection must not end another one, even if there is no memory to log its failure.
void log_failure(const miou::promise<void>& task, const std::exception_ptr& failure) noexcept try {
    log_failure(described(task), failure);
} catch (...) {
    miou::logs::write(miou::logs::level::warning, "a task failed, without memory to say which");
}

/// Awaits those that have finished, and logs their failures. Returns whether there are others.
bool reap(miou::orphans<void>& tasks) {
    while (const auto next = miou::care(tasks)) {
        if (!*next)
            return true;
        if (const auto outcome = miou::await(**next); outcome.has_error())
            log_failure(**next, outcome.error());
    }
    return false;
}

/// Closes `f`, unless another server that shares it was faster.
void close_once(const file_descr& f) {
    try {
        close(f);
    } catch (const boost::system::system_error&) {
    }
}

/// Accepts the next connection. Empty once another server that shares `listening` has closed it for
/// the stop.
std::optional<std::pair<file_descr, sockaddr>> accept_unless(const stop_request& stop,
                                                             const file_descr& listening) {
    for (;;) {
        try {
            return accept(listening);
        } catch (const boost::system::system_error& error) {
            if (is_lack_of_resources(error.code())) {
                miou::logs::write(miou::logs::level::warning, error.what());
                sleep(pause_without_descriptors);
            } else if (is_passing_accept_error(error.code())) {
                miou::logs::write(miou::logs::level::debug, error.what());
            } else if (stop.is_made()) {
                return std::nullopt;
            } else {
                throw;
            }
        }
    }
}

} // namespace

std::vector<std::string> drain(miou::orphans<void>& tasks, std::chrono::duration<double> grace) {
    if (!(grace.count() >= 0)) // also true for NaN
        throw std::invalid_argument{"miou_unix::drain: the time is negative or not a number"};
    detail::time_limit limit{deadline_in(grace.count()), "miou_unix::drain"};
    limit.run([&] {
        while (reap(tasks))
            tasks.untyped().wait();
    });
    std::vector<miou::promise<void>> late;
    std::vector<std::string> names;
    while (auto next = miou::take(tasks)) {
        if (next->state() == miou::promise_state::running)
            names.push_back(described(*next));
        late.push_back(std::move(*next));
    }
    miou::cancel_all(late);
    return names;
}

std::vector<std::string> serve(const file_descr& listening, stop_request stop,
                               connection_handler handle, boost::source_location site) {
    return serve({}, listening, std::move(stop), std::move(handle), site);
}

std::vector<std::string> serve(serve_options options, const file_descr& listening,
                               stop_request stop, connection_handler handle,
                               boost::source_location site) {
    const auto serve_one = [&handle](const file_descr& client, const sockaddr& peer) {
        const miou::at_end closed{[&client] { close_once(client); }};
        try {
            handle(client, peer);
        } catch (const miou::cancelled&) {
            throw;
        } catch (...) {
            throw connection_failed{peer, std::current_exception()};
        }
    };
    miou::orphans<void> connections;
    until(stop, [&] {
        while (const auto next = accept_unless(stop, listening)) {
            miou::async(
                connections, [&serve_one, next] { serve_one(next->first, next->second); }, site);
            reap(connections);
        }
    });
    close_once(listening);
    return drain(connections, options.grace);
}

} // namespace miou_unix
