// The echo benchmark: see --help. Only ratios of one run mean anything.
#include "../measure.hpp"
#include "load.hpp"
#include "server_process.hpp"
#include "servers.hpp"

#include <getopt.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace bench;
using namespace bench::echo;

constexpr const char* usage =
    R"(Usage: echo_bench [--repetitions=N] [--percent=N] [--work=TEXT] [--server=TEXT]
An echo server of one thread on miou, on raw epoll and on Asio's callbacks, each a process on one
processor; their clients, a closed loop that verifies every byte, on another one. Medians; those of
ratios are of the ratios within each repetition.

  --repetitions=N   of each measurement, the servers in turn (15)
  --percent=N       of the usual number of messages (100)
  --work=TEXT       only those with this in their name
  --server=TEXT     likewise
)";

struct contestant {
    const char* name;
    server* serve;
};
constexpr contestant contestants[] = {
    {"raw epoll", &serve_raw_epoll},
    {"Asio callbacks", &serve_asio_callbacks},
    {"miou", &serve_miou},
};
constexpr std::size_t of_raw = 0, of_asio = 1, of_miou = 2;

constexpr std::size_t small_message = 64, small_buffer = 1024;
constexpr std::size_t large_message = 64 * 1024;

/// One measured quantity of a work; what it may be at most.
struct figure {
    std::string name;
    double over_raw = 0; // a gate: times raw epoll
    double limit = 0;    // a gate: as it is
};

/// Measures a new server; one number for each of its figures.
struct work {
    std::vector<figure> figures;
    std::vector<double> (*measure)(server* serve, double scale);
};

std::size_t scaled(double messages, double scale) {
    return static_cast<std::size_t>(std::max(1.0, messages * scale));
}

/// Microseconds of the server's processor for each message.
double us_a_message(const server_process& server, clients& with, std::size_t messages) {
    with.exchange(messages / 10); // warms it up
    const double before = server.processor_ns();
    const std::size_t exchanged = with.exchange(messages);
    return (server.processor_ns() - before) / 1000 / static_cast<double>(exchanged);
}

template <std::size_t Connections>
std::vector<double> small_messages(server* serve, double scale) {
    const server_process server{serve, small_buffer};
    clients with{server.port(), Connections, small_message};
    return {us_a_message(server, with, scaled(Connections == 1 ? 15'000 : 100'000, scale))};
}

std::vector<double> many_connections(server* serve, double scale) {
    constexpr std::size_t connections = 8'000;
    const server_process server{serve, small_buffer};
    const double before = server.processor_ns();
    clients with{server.port(), connections, small_message};
    with.exchange(1); // each has been accepted and has had one message
    const double connected = (server.processor_ns() - before) / 1000 / connections;
    const double each = us_a_message(server, with, scaled(100'000, scale));
    return {each, connected, server.resident_bytes() / (1 << 20)};
}

std::vector<double> short_connections(server* serve, double scale) {
    constexpr std::size_t at_a_time = 64;
    const server_process server{serve, small_buffer};
    const auto connect_and_leave = [&](std::size_t connections) {
        for (std::size_t i = 0; i < connections; i += at_a_time)
            clients{server.port(), at_a_time, small_message}.exchange(1);
    };
    connect_and_leave(1'000);
    const std::size_t connections = scaled(4'000, scale);
    const double before = server.processor_ns();
    connect_and_leave(connections);
    return {(server.processor_ns() - before) / 1000 / static_cast<double>(connections)};
}

std::vector<double> system_calls(server* serve, double scale) {
    const server_process server{serve, small_buffer};
    clients with{server.port(), 64, small_message};
    with.exchange(10'000);
    const std::atomic<std::uint64_t>& calls = server.counted_so_far().system_calls;
    const std::uint64_t before = calls;
    const std::size_t exchanged = with.exchange(scaled(100'000, scale));
    return {static_cast<double>(calls - before) / static_cast<double>(exchanged)};
}

std::vector<double> bulk(server* serve, double scale) {
    const server_process server{serve, large_message};
    clients with{server.port(), 16, large_message};
    return {us_a_message(server, with, scaled(7'000, scale))};
}

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
        {{{"64 connections, system calls a message", 0, 2.2}}, &system_calls},
        {{{"bulk, 16 connections, CPU us a message", 1.1}}, &bulk},
    };
}

using repetitions = std::vector<double>;

/// Median of the ratios within each repetition: the machine changes from one to the next.
double ratio(const repetitions& measured, const repetitions& base) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < std::min(measured.size(), base.size()); ++i)
        ratios.push_back(measured[i] / base[i]);
    return median(std::move(ratios));
}

void print_row(const figure& of, const std::vector<repetitions>& measured) {
    double medians[std::size(contestants)];
    for (std::size_t i = 0; i < std::size(contestants); ++i)
        medians[i] = median(measured[i]);
    const double over_raw = ratio(measured[of_miou], measured[of_raw]);
    std::string gate;
    if (of.over_raw != 0)
        gate = over_raw <= of.over_raw ? "holds" : "DOES NOT HOLD";
    if (of.limit != 0)
        gate = medians[of_miou] <= of.limit ? "holds" : "DOES NOT HOLD";
    std::printf("%-40s %10.2f %10.2f %10.2f %9.2fx %9.2fx  %s\n", of.name.c_str(), medians[of_raw],
                medians[of_asio], medians[of_miou], over_raw,
                ratio(measured[of_miou], measured[of_asio]), gate.c_str());
}

struct choice {
    std::size_t repetitions = 15;
    double scale = 1;
    std::string work;   // a part of its first figure's name
    std::string server; // a part of its name
};

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

void run_work(const work& one, const choice& chosen) {
    std::vector<std::vector<repetitions>> measured(
        one.figures.size(), std::vector<repetitions>(std::size(contestants)));
    for (std::size_t repetition = 0; repetition < chosen.repetitions; ++repetition)
        for (std::size_t turn = 0; turn < std::size(contestants); ++turn) {
            const std::size_t i = (repetition + turn) % std::size(contestants); // none always first
            if (!has(contestants[i].name, chosen.server))
                continue;
            const std::vector<double> numbers = one.measure(contestants[i].serve, chosen.scale);
            for (std::size_t k = 0; k < numbers.size(); ++k)
                measured[k][i].push_back(numbers[k]);
        }
    for (std::size_t k = 0; k < one.figures.size(); ++k)
        print_row(one.figures[k], measured[k]);
    std::fflush(stdout);
}

/// How long one client waits for an answer, beside tasks that compute.
void run_availability(double scale) {
    const server_process server{&serve_miou_while_computing, small_buffer};
    clients one{server.port(), 1, small_message};
    one.exchange(1); // it has been accepted, and the task that serves it has begun
    const std::atomic<std::uint64_t>& yields = server.counted_so_far().yields;
    std::vector<double> rounds;
    for (std::size_t i = 0; i < scaled(300, scale); ++i) {
        const std::uint64_t before = yields;
        one.exchange(1);
        rounds.push_back(static_cast<double>(yields - before) / computing_tasks);
    }
    const double worst = *std::max_element(rounds.begin(), rounds.end());
    std::printf(
        "\nbeside %d tasks that compute for %.0f us between yields, rounds of the run queue "
        "until the answer:\n  median %.2f, worst of %zu: %.2f, at most 2: %s\n",
        computing_tasks, computing_us, median(rounds), rounds.size(), worst,
        worst <= 2 ? "holds" : "DOES NOT HOLD");
}

void raise_descriptor_limit() {
    ::rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace

int main(int argc, char** argv) try {
    choice chosen;
    const option options[] = {{"repetitions", required_argument, nullptr, 'r'},
                              {"percent", required_argument, nullptr, 'p'},
                              {"work", required_argument, nullptr, 'w'},
                              {"server", required_argument, nullptr, 's'},
                              {"help", no_argument, nullptr, 'h'},
                              {}};
    for (int found; (found = ::getopt_long(argc, argv, "", options, nullptr)) != -1;)
        switch (found) {
        case 'r':
            chosen.repetitions = std::max(1ul, std::stoul(optarg));
            break;
        case 'p':
            chosen.scale = std::stod(optarg) / 100;
            break;
        case 'w':
            chosen.work = optarg;
            break;
        case 's':
            chosen.server = optarg;
            break;
        default:
            std::fputs(usage, found == 'h' ? stdout : stderr);
            return found == 'h' ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    raise_descriptor_limit();
    std::printf("%-40s %10s %10s %10s %10s %10s\n", "medians", "raw epoll", "Asio", "miou",
                "miou/raw", "miou/Asio");
    for (const work& each : catalogue())
        if (has(each.figures.front().name, chosen.work))
            run_work(each, chosen);
    if (has("availability", chosen.work))
        run_availability(chosen.scale);
} catch (const std::exception& error) {
    std::fprintf(stderr, "echo_bench: %s\n", error.what());
    return EXIT_FAILURE;
}
