// An echo server. It is a port of the tutorial of OCaml's Miou (book/src/echo.md and
// conditions_and_mutexes.md). Each domain runs a server, all on one port, and each connection is a
// task. Ctrl-C closes every connection and ends the program.
//
//     main -- miou_unix::run -- serve, on dom0 ------ accept_clients -- echo, a task per connection
//                           +-- serve, on domain 1 -- accept_clients -- echo, ...

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <getopt.h>

#include <charconv>
#include <csignal>
#include <cstring>
#include <iostream>
#include <optional>
#include <ranges>

namespace {

using tcp = boost::asio::ip::tcp;
namespace owned = miou_unix::ownership;

constexpr const char* usage = R"(Usage: echo [--port=PORT] [--domains=N]
Sends back what each TCP client on 127.0.0.1 sends, until Ctrl-C.

  -p, --port=PORT   listen there (3000; 0 lets the system choose)
  -d, --domains=N   threads beside the main one (hardware threads - 1)
  -h, --help        this text
)";

/// Standard output. The lines of several domains do not mix.
class console {
public:
    template <class... Parts>
    void line(const Parts&... parts) {
        guard_.protect([&] { (std::cout << ... << parts) << std::endl; });
    }

private:
    miou::mutex guard_;
};

/// Made once. The servers on all domains wait for it.
class stop_request {
public:
    void make() {
        const std::scoped_lock held{guard_};
        made_ = true;
        changed_.broadcast();
    }
    void wait() {
        std::unique_lock held{guard_};
        changed_.wait(held, [this] { return made_; });
    }

private:
    miou::mutex guard_;
    miou::condition changed_;
    bool made_ = false;
};

void echo(const owned::file_descr& client) {
    char buffer[4096];
    while (const std::size_t length = owned::read(client, buffer))
        owned::write(client, std::span{buffer, length});
    owned::close(client);
}

/// Awaits the clients that have left. If one has failed, its connection has been closed.
void clean_up(miou::orphans<void>& clients, console& out) {
    while (const auto left = miou::care(clients)) {
        if (!*left)
            return;
        try {
            miou::await_exn(**left);
        } catch (const boost::system::system_error& error) {
            out.line("a client failed: ", error.code().message());
        }
    }
}

/// Runs until it is cancelled. Then its clients are cancelled, too.
void accept_clients(const miou_unix::file_descr& listening, console& out) {
    miou::orphans<void> clients;
    for (;;) {
        clean_up(clients, out);
        try {
            const auto [accepted, peer] = miou_unix::accept(listening);
            const owned::file_descr client{accepted};
            out.line("new client: ", peer);
            miou::async({.give = {client.resource()}}, clients, [client] { echo(client); });
        } catch (const boost::system::system_error& error) {
            if (error.code() != boost::system::errc::too_many_files_open &&
                error.code() != boost::system::errc::too_many_files_open_in_system)
                throw;
            out.line("cannot accept: ", error.code().message());
            miou_unix::sleep(
                0.1); // the client waits in the queue of the socket until another one leaves
        }
    }
}

void serve(const miou_unix::file_descr& listening, stop_request& stop, console& out) {
    const auto accepting = miou::async([&] { accept_clients(listening, out); });
    const auto stopped = miou::async([&] { stop.wait(); });
    miou::await_first({accepting, stopped}).value();
}

void run_servers(std::uint16_t port) {
    console out;
    stop_request stop;
    miou::sys_signal(SIGINT, miou::signal_handle([&](int) { stop.make(); }));

    // One socket for all domains. Without `reuseport` a second server on this port is refused.
    const auto listening = miou_unix::tcpv4();
    miou_unix::bind_and_listen({.backlog = 4096, .reuseport = false}, listening,
                               tcp::endpoint{boost::asio::ip::address_v4::loopback(), port});
    out.line("listening on ", miou_unix::getsockname(listening), ", Ctrl-C stops");

    const auto here = miou::async([&] { serve(listening, stop, out); });
    if (const auto others = miou::domain::all(); !others.empty())
        for (const auto& outcome :
             miou::parallel([&](miou::domain_uid) { serve(listening, stop, out); }, others))
            outcome.value();
    miou::await_exn(here);
    miou_unix::close(listening);
    out.line("every connection is closed");
}

template <class Number>
Number parse(const char* option, const char* text, Number most) {
    Number value{};
    const char* const end = text + std::strlen(text);
    const auto [stopped, error] = std::from_chars(text, end, value);
    if (error != std::errc{} || stopped != end || value < 0 || value > most)
        throw std::invalid_argument{std::string{option} + " takes a number from 0 to " +
                                    std::to_string(most) + ", not \"" + text + "\""};
    return value;
}

} // namespace

int main(int argc, char** argv) try {
    std::uint16_t port = 3000;
    std::optional<int> domains;
    const option options[] = {{"port", required_argument, nullptr, 'p'},
                              {"domains", required_argument, nullptr, 'd'},
                              {"help", no_argument, nullptr, 'h'},
                              {}};
    for (int found; (found = ::getopt_long(argc, argv, "p:d:h", options, nullptr)) != -1;)
        switch (found) {
        case 'p':
            port = parse<std::uint16_t>("--port", optarg, 65535);
            break;
        case 'd':
            domains = parse<int>("--domains", optarg, 1023);
            break;
        case 'h':
            std::cout << usage;
            return 0;
        default:
            std::cerr << usage;
            return 2;
        }
    if (optind != argc)
        throw std::invalid_argument{std::string{"unexpected argument \""} + argv[optind] + "\""};
    miou_unix::run({.domains = domains}, [&] { run_servers(port); });
} catch (const std::invalid_argument& error) {
    std::cerr << "echo: " << error.what() << '\n';
    return 2;
} catch (const std::exception& error) {
    std::cerr << "echo: " << error.what() << '\n';
    return 1;
}
