#include "works.hpp"

#include "../measure.hpp"

#include "client_process.hpp"
#include "load.hpp"
#include "server_process.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace bench::echo {
namespace {

constexpr std::size_t small_message = 64, small_buffer = 1024;
constexpr std::size_t large_message = 64 * 1024;

std::size_t scaled(double messages, double scale) {
    return static_cast<std::size_t>(std::max(1.0, messages * scale));
}

/// A server and its clients.
struct session {
    session(server* what, std::size_t buffer, std::size_t connections, std::size_t message)
        : serving{what, buffer}
        , asking{serving.port(), connections, message} {}

    server_process serving;
    client_process asking;
};
using sessions = std::vector<std::unique_ptr<session>>;

sessions make_sessions(const servers& of, std::size_t buffer, std::size_t connections,
                       std::size_t message) {
    sessions made;
    for (server* const each : of)
        made.push_back(std::make_unique<session>(each, buffer, connections, message));
    return made;
}

constexpr std::size_t rounds = 6;

/// Calls `turn` with each number below `count`. Each round begins with another number. The turns
/// are short, because the machine changes from second to second.
template <class Turn>
void take_turns(std::size_t count, Turn turn) {
    for (std::size_t round = 0; round < rounds; ++round)
        for (std::size_t i = 0; i < count; ++i)
            turn((round + i) % count);
}

/// For each server: what `measured` has increased by, divided by the number of messages; and the
/// 99.9th percentile of the round trips, in us.
template <class Measured>
std::vector<numbers> for_each_message(const sessions& all, std::size_t messages,
                                      Measured measured) {
    std::vector<double> used(all.size());
    std::vector<double> exchanged(all.size());
    std::vector<std::vector<double>> slow_us(all.size());
    for (const auto& each : all)
        each->asking.exchange(messages / 10); // warms it up
    take_turns(all.size(), [&](std::size_t i) {
        const double before = measured(all[i]->serving);
        const auto done = all[i]->asking.exchange(messages / rounds);
        used[i] += measured(all[i]->serving) - before;
        exchanged[i] += static_cast<double>(done.messages);
        slow_us[i].push_back(done.slow_us);
    });
    std::vector<numbers> made;
    for (std::size_t i = 0; i < all.size(); ++i)
        made.push_back({used[i] / exchanged[i], median(std::move(slow_us[i]))});
    return made;
}

double processor_us(const server_process& of) {
    return of.processor_ns() / 1000;
}

template <std::size_t Connections>
std::vector<numbers> small_messages(const servers& of, double scale) {
    const sessions all = make_sessions(of, small_buffer, Connections, small_message);
    return for_each_message(all, scaled(Connections == 1 ? 40'000 : 300'000, scale), &processor_us);
}

std::vector<numbers> many_connections(const servers& of, double scale) {
    constexpr std::size_t connections = 8'000;
    const sessions all = make_sessions(of, small_buffer, connections, small_message);
    std::vector<numbers> connected;
    for (const auto& each : all) {
        each->asking.exchange(1); // accepts each connection, and serves one message on it
        connected.push_back({processor_us(each->serving) / connections,
                             each->serving.resident_bytes() / (1 << 20)});
    }
    std::vector<numbers> made = for_each_message(all, scaled(300'000, scale), &processor_us);
    for (std::size_t i = 0; i < all.size(); ++i)
        made[i].insert(made[i].end(), connected[i].begin(), connected[i].end());
    return made;
}

std::vector<numbers> short_connections(const servers& of, double scale) {
    constexpr std::size_t at_a_time = 64;
    std::vector<std::unique_ptr<server_process>> all;
    for (server* const each : of)
        all.push_back(std::make_unique<server_process>(each, small_buffer));
    const auto connect_and_leave = [&](const server_process& to, std::size_t connections) {
        std::size_t done = 0;
        for (; done < connections; done += at_a_time)
            clients{to.port(), at_a_time, small_message}.exchange(1);
        return done;
    };
    for (const auto& each : all)
        connect_and_leave(*each, 1'000);
    const std::size_t connections = scaled(10'000 / rounds, scale);
    std::vector<numbers> used(all.size(), numbers{0});
    take_turns(all.size(), [&](std::size_t i) {
        const double before = processor_us(*all[i]);
        const auto done = static_cast<double>(connect_and_leave(*all[i], connections));
        used[i][0] += (processor_us(*all[i]) - before) / (rounds * done);
    });
    return used;
}

template <std::size_t Connections>
std::vector<numbers> system_calls(const servers& of, double scale) {
    const sessions all = make_sessions(of, small_buffer, Connections, small_message);
    const double messages = Connections == 1 ? 40'000 : 200'000;
    return for_each_message(all, scaled(messages, scale), [](const server_process& it) {
        return static_cast<double>(it.counted_so_far().system_calls);
    });
}

std::vector<numbers> bulk(const servers& of, double scale) {
    const sessions all = make_sessions(of, large_message, 16, large_message);
    return for_each_message(all, scaled(20'000, scale), &processor_us);
}

} // namespace

std::vector<work> catalogue() {
    const auto cpu = [](const char* name) { return figure{name, 1.1, 1.0}; };
    const figure slow{"  p99.9 of the round trips, us", 0, 1.0};
    return {
        {{cpu("1 connection, CPU us a message"), slow}, &small_messages<1>},
        {{cpu("64 connections, CPU us a message"), slow}, &small_messages<64>},
        {{cpu("1,000 connections, CPU us a message"), slow}, &small_messages<1'000>},
        {{cpu("8,000 connections, CPU us a message"),
          slow,
          {"  to connect, with a message, CPU us"},
          {"  resident MiB"}},
         &many_connections},
        {{{"short connections of one message, CPU us"}}, &short_connections},
        {{{"1 connection, system calls a message"}}, &system_calls<1>},
        {{{"64 connections, system calls a message", 0, 0, 2.2}}, &system_calls<64>},
        {{{"1,000 connections, system calls a message"}}, &system_calls<1'000>},
        {{{"8,000 connections, system calls a message"}}, &system_calls<8'000>},
        {{cpu("bulk, 16 connections, CPU us a message"), slow}, &bulk},
    };
}

std::vector<double> availability(double scale) {
    const server_process server{&serve_miou_while_computing, small_buffer};
    clients one{server.port(), 1, small_message};
    one.exchange(1); // so the connection is accepted, and its task has begun
    const std::atomic<std::uint64_t>& yields = server.counted_so_far().yields;
    std::vector<double> rounds_waited;
    for (std::size_t i = 0; i < scaled(300, scale); ++i) {
        const std::uint64_t before = yields;
        one.exchange(1);
        rounds_waited.push_back(static_cast<double>(yields - before) / computing_tasks);
    }
    return rounds_waited;
}

} // namespace bench::echo
