#include "works.hpp"

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

/// Calls `turn` with each number below `count`, in each round from another one on: the machine
/// changes from second to second, so what is compared takes short turns.
template <class Turn>
void take_turns(std::size_t count, Turn turn) {
    for (std::size_t round = 0; round < rounds; ++round)
        for (std::size_t i = 0; i < count; ++i)
            turn((round + i) % count);
}

/// Of what `measured` tells of each server, so much for each message.
template <class Measured>
std::vector<double> for_each_message(const sessions& all, std::size_t messages, Measured measured) {
    std::vector<double> used(all.size());
    std::vector<double> exchanged(all.size());
    for (const auto& each : all)
        each->asking.exchange(messages / 10); // warms it up
    take_turns(all.size(), [&](std::size_t i) {
        const double before = measured(all[i]->serving);
        exchanged[i] += static_cast<double>(all[i]->asking.exchange(messages / rounds));
        used[i] += measured(all[i]->serving) - before;
    });
    for (std::size_t i = 0; i < all.size(); ++i)
        used[i] /= exchanged[i];
    return used;
}

double processor_us(const server_process& of) {
    return of.processor_ns() / 1000;
}

/// As a table of one column.
std::vector<numbers> each_alone(const std::vector<double>& values) {
    std::vector<numbers> made;
    for (const double each : values)
        made.push_back({each});
    return made;
}

template <std::size_t Connections>
std::vector<numbers> small_messages(const servers& of, double scale) {
    const sessions all = make_sessions(of, small_buffer, Connections, small_message);
    return each_alone(
        for_each_message(all, scaled(Connections == 1 ? 40'000 : 300'000, scale), &processor_us));
}

std::vector<numbers> many_connections(const servers& of, double scale) {
    constexpr std::size_t connections = 8'000;
    const sessions all = make_sessions(of, small_buffer, connections, small_message);
    std::vector<numbers> made(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i]->asking.exchange(1); // each has been accepted and has had one message
        made[i] = {0, processor_us(all[i]->serving) / connections,
                   all[i]->serving.resident_bytes() / (1 << 20)};
    }
    const std::vector<double> us = for_each_message(all, scaled(300'000, scale), &processor_us);
    for (std::size_t i = 0; i < all.size(); ++i)
        made[i][0] = us[i];
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
    std::vector<double> used(all.size());
    take_turns(all.size(), [&](std::size_t i) {
        const double before = processor_us(*all[i]);
        const auto done = static_cast<double>(connect_and_leave(*all[i], connections));
        used[i] += (processor_us(*all[i]) - before) / (rounds * done);
    });
    return each_alone(used);
}

template <std::size_t Connections>
std::vector<numbers> system_calls(const servers& of, double scale) {
    const sessions all = make_sessions(of, small_buffer, Connections, small_message);
    const double messages = Connections == 1 ? 40'000 : 200'000;
    return each_alone(for_each_message(all, scaled(messages, scale), [](const server_process& it) {
        return static_cast<double>(it.counted_so_far().system_calls);
    }));
}

std::vector<numbers> bulk(const servers& of, double scale) {
    const sessions all = make_sessions(of, large_message, 16, large_message);
    return each_alone(for_each_message(all, scaled(20'000, scale), &processor_us));
}

} // namespace

std::vector<work> catalogue() {
    return {
        {{{"1 connection, CPU us a message", 1.1}}, &small_messages<1>},
        {{{"64 connections, CPU us a message", 1.1}}, &small_messages<64>},
        {{{"1,000 connections, CPU us a message", 1.1}}, &small_messages<1'000>},
        {{{"8,000 connections, CPU us a message", 1.1},
          {"  to connect, with a message, CPU us"},
          {"  resident MiB"}},
         &many_connections},
        {{{"short connections of one message, CPU us"}}, &short_connections},
        {{{"1 connection, system calls a message"}}, &system_calls<1>},
        {{{"64 connections, system calls a message", 0, 2.2}}, &system_calls<64>},
        {{{"1,000 connections, system calls a message"}}, &system_calls<1'000>},
        {{{"8,000 connections, system calls a message"}}, &system_calls<8'000>},
        {{{"bulk, 16 connections, CPU us a message", 1.1}}, &bulk},
    };
}

std::vector<double> availability(double scale) {
    const server_process server{&serve_miou_while_computing, small_buffer};
    clients one{server.port(), 1, small_message};
    one.exchange(1); // it has been accepted, and the task that serves it has begun
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
