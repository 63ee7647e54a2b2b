// docs/examples/echo with clients of all kinds.

#include "support/child_program.hpp"
#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/sanitized.hpp"

#include "miou/orphans.hpp"
#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using test::child_program;
using test::contains;
using test::numbered_bytes;
namespace errc = boost::system::errc;
using namespace std::chrono_literals;

std::vector<std::string> echo(const std::vector<std::string>& options) {
    return test::command_of_program("echo", options);
}

/// Listens on a port that the system chooses, with as many domains as the test.
class echo_server : public child_program {
public:
    explicit echo_server(std::optional<unsigned> descriptors = {})
        : child_program{echo({"--port=0", "--domains=" + std::to_string(test::domains())}),
                        descriptors} {
        const std::string before_port = "listening on 127.0.0.1:";
        if (!prints(", Ctrl-C stops\n"))
            throw std::runtime_error{"echo does not listen: " + printed()};
        const std::string text = printed();
        port_ = static_cast<std::uint16_t>(
            std::stoi(text.substr(text.find(before_port) + before_port.size())));
    }
    std::uint16_t port() const noexcept { return port_; }

private:
    std::uint16_t port_ = 0;
};

miou_unix::file_descr connect_to(const echo_server& server) {
    auto f = miou_unix::tcpv4();
    miou_unix::connect(f, test::loopback(server.port()));
    return f;
}

/// Sends a few bytes and expects that they come back.
void say_hello(const miou_unix::file_descr& f) {
    miou_unix::write(f, "hello");
    char answer[5] = {};
    miou_unix::really_read(f, answer);
    EXPECT_EQ(std::string(answer, 5), "hello");
}

/// Reads until the server has closed or reset the connection.
void wait_for_the_end(const miou_unix::file_descr& f) {
    char buffer[4096];
    try {
        while (miou_unix::read(f, buffer) != 0) {
        }
    } catch (const boost::system::system_error& error) {
        EXPECT_EQ(error.code(), errc::connection_reset);
    }
}

/// The last lines that a program has printed.
std::string last_words(const child_program& program) {
    const std::string all = program.printed();
    return all.substr(all.size() - std::min<std::size_t>(all.size(), 300));
}

/// Expects that a server that was told to stop says goodbye and succeeds.
void expect_goodbye(echo_server& server) {
    EXPECT_EQ(server.wait(), 0) << last_words(server);
    EXPECT_TRUE(contains(server.printed(), "every connection is closed")) << last_words(server);
}

/// Stops the server with Ctrl-C.
void stop(echo_server& server) {
    server.send(SIGINT);
    expect_goodbye(server);
}

TEST(echo, stops_when_it_is_told_to) {
    echo_server server;
    stop(server);
}

TEST(echo, serves_a_thousand_clients_at_once) {
    const auto count = static_cast<std::size_t>(test::scaled(1000, 200));
    echo_server server;
    miou_unix::run({.domains = 0}, [&] {
        std::vector<miou_unix::file_descr> clients;
        for (std::size_t i = 0; i < count; ++i)
            clients.push_back(connect_to(server));
        for (const auto& each : clients) // all of them are connected, and all are served
            say_hello(each);
        std::vector<miou::promise<void>> tasks;
        for (unsigned i = 0; i < count; ++i)
            tasks.push_back(miou::async([f = clients[i], i] {
                const auto sender =
                    miou::async([&] { test::send_numbered(f, numbered_bytes{i}, 10'000); });
                EXPECT_EQ(test::receive_numbered(f, numbered_bytes{i}), 10'000);
                miou::await_exn(sender);
            }));
        for (const auto& each : miou::await_all(tasks))
            each.value();
    });
    EXPECT_FALSE(contains(server.printed(), "failed")) << last_words(server);
    stop(server);
}

TEST(echo, gives_everything_back_to_a_client_that_half_closes_and_then_the_end) {
    echo_server server;
    miou_unix::run({.domains = 0}, [&] {
        const auto client = connect_to(server);
        const int size = test::scaled(5'000'000, 1'000'000);
        const auto sender =
            miou::async([&] { test::send_numbered(client, numbered_bytes{}, size); });
        EXPECT_EQ(test::receive_numbered(client, numbered_bytes{}), size);
        miou::await_exn(sender);
    });
    stop(server);
}

TEST(echo, closes_every_connection_when_it_stops_under_load) {
    const int count = test::scaled(200, 50);
    echo_server server;
    miou_unix::run({.domains = 0}, [&] {
        std::vector<miou::promise<void>> tasks;
        int served = 0;
        for (int i = 0; i < count; ++i)
            tasks.push_back(miou::async([&, i] {
                const auto f = connect_to(server);
                say_hello(f);
                ++served;
                const auto sender = miou::async([&] {
                    while (i % 4 == 0) // the others are idle
                        miou_unix::write(f, std::string(1000, 'x'));
                });
                wait_for_the_end(f);
                miou::cancel(sender);
            }));
        while (served < count)
            miou_unix::sleep(0.001);
        server.send(SIGINT);
        for (const auto& each : miou::await_all(tasks))
            EXPECT_TRUE(each.has_value());
    });
    expect_goodbye(server);
}

TEST(echo, stops_while_clients_come) {
    for (int i = 0; i < test::scaled(10, 3); ++i) {
        echo_server server;
        miou_unix::run({.domains = 0}, [&] {
            miou::orphans<void> clients;
            for (int k = 0; k < 50; ++k)
                miou::async(clients, [&] {
                    for (;;) {
                        const auto f = connect_to(server); // refused when the server has stopped
                        miou_unix::write(f, "hello");
                        char answer[5];
                        miou_unix::really_read(f, answer);
                    }
                });
            miou_unix::sleep(0.001 * i);
            server.send(SIGINT);
            while (const auto each = miou::get(clients))
                EXPECT_NE(test::error_in(*each), errc::success);
        });
        expect_goodbye(server);
    }
}

TEST(echo, outlives_clients_that_reset) {
    echo_server server;
    miou_unix::run({.domains = 0}, [&] {
        const auto witness = connect_to(server);
        for (int i = 0; i < 30; ++i) {
            const auto client = connect_to(server);
            if (i % 3 != 0)
                miou_unix::write(client, std::string(i * 1000u, 'x'));
            if (i % 3 == 1)
                say_hello(connect_to(server));
            test::reset(client);
            say_hello(witness);
        }
    });
    stop(server);
}

TEST(echo, is_not_held_up_by_a_client_that_never_reads) {
    echo_server server;
    miou_unix::run({.domains = 0}, [&] {
        const auto silent = connect_to(server);
        const auto flood = miou::async([&] { // until the server cannot write any more
            const std::string block(100'000, 'x');
            for (;;)
                miou_unix::write(silent, block);
        });
        for (int i = 0; i < 20; ++i)
            say_hello(connect_to(server));
        server.send(SIGINT);
        EXPECT_NE(test::error_in(miou::await(flood)), errc::success);
    });
    expect_goodbye(server);
}

TEST(echo, with_idle_clients_uses_no_processor_time) {
    echo_server server;
    miou_unix::run({.domains = 0}, [&] {
        std::vector<miou_unix::file_descr> idle;
        for (int i = 0; i < 8; ++i) {
            idle.push_back(connect_to(server));
            say_hello(idle.back());
        }
        EXPECT_LT(server.processor_time_in(1s), test::scaled(50, 500) * 1ms);
    });
    stop(server);
}

/// How many descriptors the server may have here.
constexpr unsigned few = 40;

/// The server must have `few` descriptors.
std::vector<miou_unix::file_descr> connect_more_than_it_can_accept(echo_server& server) {
    std::vector<miou_unix::file_descr> clients;
    for (int i = 0; i < 100; ++i)
        clients.push_back(connect_to(server));
    EXPECT_TRUE(server.prints("cannot accept"));
    return clients;
}

TEST(echo, clients_for_whom_it_has_no_descriptor_wait) {
    echo_server server{few};
    miou_unix::run({.domains = 0}, [&] {
        auto clients = connect_more_than_it_can_accept(server);
        EXPECT_LT(server.processor_time_in(300ms), 200ms) << "it spins";
        // Each client says hello and leaves, which lets another one in.
        std::vector<miou::promise<void>> tasks;
        for (auto& each : clients)
            tasks.push_back(miou::async([f = std::move(each)] {
                say_hello(f);
                miou_unix::close(f);
            }));
        for (const auto& each : miou::await_all(tasks))
            each.value();
        say_hello(connect_to(server));
    });
    stop(server);
}

TEST(echo, stops_although_it_has_no_descriptor_left) {
    echo_server server{few};
    miou_unix::run({.domains = 0}, [&] {
        const auto clients = connect_more_than_it_can_accept(server);
        server.send(SIGINT);
        for (const auto& each : clients)
            wait_for_the_end(each);
    });
    expect_goodbye(server);
}

TEST(echo, keeps_no_descriptor_of_clients_that_have_left) {
    echo_server server;
    const std::size_t before = server.open_descriptors();
    miou_unix::run({.domains = 0}, [&] {
        for (int i = 0; i < test::scaled(200, 50); ++i)
            say_hello(connect_to(server));
    });
    EXPECT_TRUE(server.comes_down_to(before));
    stop(server);
}

TEST(echo, says_that_its_port_is_taken) {
    const auto taken = miou_unix::tcpv4();
    miou_unix::bind_and_listen({.reuseport = false}, taken, test::loopback());
    const std::string port = std::to_string(miou_unix::getsockname(taken).port());
    child_program program{echo({"--port=" + port, "--domains=0"})};
    EXPECT_EQ(program.wait(), 1);
    EXPECT_TRUE(contains(program.printed(), "Address already in use")) << program.printed();
}

TEST(echo, refuses_options_that_make_no_sense) {
    for (const char* wrong :
         {"--port=", "--port=x", "--port=-1", "--port=65536", "--port=1x", "--domains=1024",
          "--domains=-1", "--domains=x", "--nonsense", "argument", "--port"}) {
        child_program program{echo({wrong})};
        EXPECT_EQ(program.wait(), 2) << wrong;
        EXPECT_TRUE(contains(program.printed(), "echo: ") ||
                    contains(program.printed(), "Usage: echo"))
            << wrong << ": " << program.printed();
    }
}

TEST(echo, explains_itself) {
    for (const char* option : {"--help", "-h"}) {
        child_program program{echo({option})};
        EXPECT_EQ(program.wait(), 0);
        EXPECT_TRUE(contains(program.printed(), "Usage: echo")) << program.printed();
    }
}

} // namespace
