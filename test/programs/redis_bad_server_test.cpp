// docs/examples/redis_client with servers that misbehave. The tests play these servers.

#include "support/child_program.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/redis_client.hpp"
#include "support/sanitized.hpp"

#include "miou_unix/miou_unix.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <chrono>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;
using test::child_program;
using test::error_of;
using test::output_of;
using test::port_option;
using test::redis_client_alone;
using test::strings;
using test::operator+;

/// Expects that the client sends this command.
void expect_command(const miou_unix::file_descr& client, const strings& words) {
    std::string expected = '*' + std::to_string(words.size()) + "\r\n";
    for (const std::string& each : words)
        expected += '$' + std::to_string(each.size()) + "\r\n" + each + "\r\n";
    std::string found(expected.size(), '\0');
    miou_unix::really_read(client, found);
    EXPECT_EQ(found, expected);
}

/// Plays a server: `talk` starts a client that reads `commands`, calls `server` with the listening
/// socket, and returns what the client prints.
class redis_client_of_a_bad_server : public redis_client_alone {
protected:
    template <class F>
    std::string talk(const std::string& commands, const strings& options, int status, F server) {
        return miou_unix::run({.domains = 0}, [&] {
            const auto listening = test::listen_on_loopback();
            child_program client{
                reading(commands, strings{port_option(miou_unix::getsockname(listening).port()),
                                          "--timeout=200"} +
                                      options)};
            miou_unix::with_timeout(100s, [&] { server(listening); });
            miou_unix::close(listening);
            return output_of(std::move(client), status);
        });
    }
};

TEST_F(redis_client_of_a_bad_server, never_takes_a_late_reply_for_that_to_the_next_command) {
    const auto server = [](const miou_unix::file_descr& listening) {
        const auto first = miou_unix::accept(listening).first;
        expect_command(first, {"ECHO", "first"});
        const auto second =
            miou_unix::accept(listening).first; // the client has given up on the first reply
        error_of([&] { miou_unix::write(first, "$5\r\nfirst\r\n"); });
        expect_command(second, {"ECHO", "second"});
        error_of([&] { miou_unix::write(second, "$6\r\nsecond\r\n"); });
        miou_unix::close(first);
        miou_unix::close(second);
    };
    const std::string printed = talk("ECHO first\nECHO second", {"--timeout=2"}, 1, server);
    // On a machine that stalls for that long the second command times out, too.
    EXPECT_TRUE(printed == "(failed) timed out\n\"second\"\n" ||
                printed == "(failed) timed out\n(failed) timed out\n")
        << printed;
}

TEST_F(redis_client_of_a_bad_server, puts_together_what_comes_in_pieces) {
    const auto server = [](const miou_unix::file_descr& listening) {
        const auto client = miou_unix::accept(listening).first;
        expect_command(client, {"PING"});
        for (const char each : std::string{"*3\r\n$5\r\na\r\nbc\r\n:-42\r\n*1\r\n$-1\r\n"}) {
            miou_unix::write(client, {&each, 1});
            miou_unix::sleep(0.0005);
        }
        EXPECT_EQ(test::read_to_end(client), "");
        miou_unix::close(client);
    };
    EXPECT_EQ(talk("PING", {}, 0, server), "1) \"a\\r\\nbc\"\n2) (integer) -42\n3) 1) (nil)\n");
}

TEST_F(redis_client_of_a_bad_server, takes_apart_what_comes_at_once) {
    const auto server = [](const miou_unix::file_descr& listening) {
        const auto client = miou_unix::accept(listening).first;
        for (const char* const each : {"1", "2", "3", "4"})
            expect_command(client, {"ECHO", each});
        miou_unix::write(client, "$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n");
        EXPECT_EQ(test::read_to_end(client), "");
        miou_unix::close(client);
    };
    EXPECT_EQ(talk("ECHO 1\nECHO 2\nECHO 3\nECHO 4", {"--pipeline=4"}, 0, server),
              "\"1\"\n\"2\"\n\"3\"\n\"4\"\n");
}

TEST_F(redis_client_of_a_bad_server, says_when_a_reply_ends_in_the_middle) {
    const auto server = [](const miou_unix::file_descr& listening) {
        const auto client = miou_unix::accept(listening).first;
        expect_command(client, {"GET", "k"});
        miou_unix::write(client, "$1000\r\nonly this");
        miou_unix::close(client);
    };
    EXPECT_EQ(talk("GET k", {}, 1, server), "(failed) Server closed the connection\n");
}

TEST_F(redis_client_of_a_bad_server, says_when_it_does_not_speak_the_protocol) {
    const auto server = [](const miou_unix::file_descr& listening) {
        const auto client = miou_unix::accept(listening).first;
        expect_command(client, {"PING"});
        miou_unix::write(client, "HTTP/1.1 400 Bad Request\r\n\r\n");
        EXPECT_EQ(test::read_to_end(client), "");
        miou_unix::close(client);
    };
    EXPECT_EQ(talk("PING", {}, 1, server),
              "(failed) Protocol error, got \"H\" as reply type byte\n");
}

/// The server sends `first`, then repeats `rest` until the client closes the connection.
class redis_client_of_a_talkative_server : public redis_client_of_a_bad_server {
protected:
    std::string talk(const std::string& first, const std::string& rest, const strings& options,
                     int status) {
        const auto server = [&](const miou_unix::file_descr& listening) {
            const auto client = miou_unix::accept(listening).first;
            expect_command(client, {"GET", "k"});
            error_of([&] {
                miou_unix::write(client, first);
                while (!rest.empty()) { // slowly, so that the client waits more than it computes
                    miou_unix::write(client, rest);
                    miou_unix::sleep(std::chrono::milliseconds{1});
                }
            });
            error_of([&] { test::read_to_end(client); });
            miou_unix::close(client);
        };
        return redis_client_of_a_bad_server::talk("GET k", options, status, server);
    }
    static constexpr std::chrono::milliseconds soon{TEST_SANITIZED ? 60'000 : 20'000};
};

TEST_F(redis_client_of_a_talkative_server, lets_no_escape_sequence_through) {
    EXPECT_EQ(talk("+a\x1b[31mb\x9b\xc2\x9b\n\a\"\\c\r\n", "", {}, 0),
              "a\\x1b[31mb\\x9b\\xc2\\x9b\\n\\a\"\\c\n");
    EXPECT_EQ(talk("-ERR \x1b]0;title\a\r\n", "", {}, 1), "(error) ERR \\x1b]0;title\\a\n");
    EXPECT_EQ(talk("*2\r\n+\x1b\r\n$1\r\n\x1b\r\n", "", {}, 0), "1) \\x1b\n2) \"\\x1b\"\n");
    const std::string printed = talk("\x1b[2J\r\n", "", {}, 1);
    EXPECT_EQ(printed.find('\x1b'), printed.npos) << printed;
}

TEST_F(redis_client_of_a_talkative_server, is_not_held_up_by_an_endless_line) {
    const test::deadline end{soon};
    for (const std::string& endless : {std::string(10'000, 'a'), std::string(10'000, '\r')})
        EXPECT_EQ(talk("+", endless, {"--timeout=200"}, 1),
                  "(failed) a line of the reply is too long\n");
    EXPECT_FALSE(end.has_passed());
}

TEST_F(redis_client_of_a_talkative_server, is_not_held_up_by_a_huge_array) {
    const test::deadline end{soon};
    EXPECT_EQ(talk("*2147483647\r\n", "", {"--timeout=1"}, 1), "(failed) Out of memory\n");
    EXPECT_FALSE(end.has_passed());
}

TEST_F(redis_client_of_a_talkative_server, times_out_while_the_reply_still_comes) {
    const test::deadline end{soon};
    EXPECT_EQ(talk("$400000000000\r\n", "a", {"--timeout=1"}, 1), "(failed) timed out\n");
    EXPECT_EQ(talk("*1000000\r\n", ":1\r\n", {"--timeout=1"}, 1), "(failed) timed out\n");
    EXPECT_FALSE(end.has_passed());
}

TEST_F(redis_client_of_a_bad_server, survives_a_write_to_a_closed_connection) {
    const std::string path = folder / "socket";
    const std::string printed = miou_unix::run({.domains = 0}, [&] {
        const auto listening = miou_unix::unix_socket();
        miou_unix::bind_and_listen(listening, boost::asio::local::stream_protocol::endpoint{path});
        child_program program{reading("ECHO 1\nECHO 2", {"--host=" + path, "--timeout=200"})};
        const auto client = miou_unix::accept(listening).first;
        expect_command(client, {"ECHO", "1"});
        ::shutdown(miou_unix::to_file_descr(client), SHUT_RD);
        miou_unix::write(client, "$1\r\n1\r\n");
        EXPECT_EQ(program.wait(), 1);
        miou_unix::close(client);
        miou_unix::close(listening);
        return program.printed();
    });
    EXPECT_EQ(printed, "\"1\"\n(failed) Broken pipe\n");
}

} // namespace
