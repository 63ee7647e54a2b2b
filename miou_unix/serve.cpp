#include "miou_unix/serve.hpp"

#include "miou/logs.hpp"
#include "miou_unix/sleep.hpp"
#include "miou_unix/socket.hpp"

#include <boost/system/system_error.hpp>

#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace miou_unix {
namespace {

// Nobody tells when the system has descriptors again.
constexpr std::chrono::milliseconds pause_without_descriptors{100};

/// That a peer has gone happens to every server.
miou::logs::level level_of(const std::exception& failure) {
    using namespace boost::system::errc;
    const auto* const system = dynamic_cast<const boost::system::system_error*>(&failure);
    const bool peer_has_gone =
        system != nullptr && (system->code() == connection_reset || system->code() == broken_pipe ||
                              system->code() == not_connected);
    return peer_has_gone ? miou::logs::level::debug : miou::logs::level::warning;
}

void log_failure(const miou::result<void>& outcome) {
    try {
        outcome.value();
    } catch (const miou::cancelled&) {
    } catch (const std::exception& error) {
        miou::logs::write(level_of(error), std::string{"a task failed: "} + error.what());
    } catch (...) {
        miou::logs::write(miou::logs::level::warning, "a task failed");
    }
}

/// Those that have finished.
void reap(miou::orphans<void>& tasks) {
    while (const auto next = miou::care(tasks)) {
        if (!*next)
            return;
        log_failure(miou::await(**next));
    }
}

bool lacks_descriptors(const boost::system::error_code& error) {
    using namespace boost::system::errc;
    return error == too_many_files_open || error == too_many_files_open_in_system ||
           error == not_enough_memory || error == no_buffer_space;
}

std::string described(const miou::promise<void>& task) {
    std::ostringstream text;
    text << task;
    return text.str();
}

/// Closes `f` unless another server that shares it was faster.
void close_once(const file_descr& f) {
    try {
        close(f);
    } catch (const boost::system::system_error&) {
    }
}

/// The next connection; none once `stop` was made and `listening` is closed for that.
std::optional<std::pair<file_descr, sockaddr>> accept_unless(const stop_request& stop,
                                                             const file_descr& listening) {
    while (!stop.is_made()) {
        try {
            return accept(listening);
        } catch (const boost::system::system_error& error) {
            if (lacks_descriptors(error.code())) {
                miou::logs::write(miou::logs::level::warning, error.what());
                sleep(pause_without_descriptors);
            } else if (!stop.is_made()) {
                throw;
            }
        }
    }
    return std::nullopt;
}

} // namespace

std::vector<std::string> drain(miou::orphans<void>& tasks, std::chrono::duration<double> grace) {
    if (!(grace.count() >= 0)) // NaN neither
        throw std::invalid_argument{"miou_unix::drain: the time is negative or not a number"};
    // Not on this stack: if this is cancelled, the alarm stays among the tasks.
    const auto over = std::make_shared<bool>(false);
    const auto alarm = miou::async(tasks, [over, grace] {
        sleep(grace);
        *over = true;
    });
    while (miou::length(tasks) > 1 && !*over)
        log_failure(*miou::get(tasks));

    std::vector<miou::promise<void>> late;
    std::vector<std::string> names;
    while (auto next = miou::take(tasks)) {
        if (next->state() == miou::promise_state::running && next->uid() != alarm.uid())
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
    miou::orphans<void> connections;
    const auto closing = miou::async([&] {
        stop.wait();
        close_once(listening); // wakes those who accept
    });
    while (auto next = accept_unless(stop, listening)) {
        miou::async(
            connections,
            [&handle, client = std::move(next->first), peer = next->second] {
                struct at_end {
                    const file_descr& of;
                    ~at_end() { close_once(of); }
                } const closed{client};
                handle(client, peer);
            },
            site);
        reap(connections);
    }
    miou::await_exn(closing);
    return drain(connections, options.grace);
}

} // namespace miou_unix
