// The Redis client of docs/, against Debian's Redis server, and against servers that misbehave.

#include "support/child_program.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/sanitized.hpp"
#include "support/temporary_folder.hpp"

#include "miou_unix/miou_unix.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using strings = std::vector<std::string>;
using test::child_program;
using test::contains;
using test::error_of;
using test::lines_of;
using test::output_of;

strings operator+(const strings& left, const strings& right) {
    return test::joined(left, right);
}

/// A port on which nobody listens.
std::uint16_t free_port() {
    const auto f = test::listen_on_loopback();
    const std::uint16_t port = miou_unix::getsockname(f).port();
    miou_unix::close(f);
    return port;
}

std::string port_option(std::uint16_t port) {
    return "--port=" + std::to_string(port);
}

/// How to start `redis_client` with these arguments.
strings redis_client(const strings& arguments) {
    return test::command_of_program("redis_client", arguments);
}

/// A folder of its own, where the commands lie that a client reads.
class redis_client_alone : public testing::Test {
protected:
    /// How to start a client that reads `commands` from standard input.
    strings reading(const std::string& commands, const strings& options) {
        const fs::path file = folder / ("commands_" + std::to_string(files_++));
        std::ofstream{file, std::ios::binary} << commands;
        return strings{"/bin/sh", "-c", "exec \"$@\" < \"$0\"", file} + redis_client(options);
    }

    const test::temporary_folder folder;

private:
    int files_ = 0;
};

/// With a server that keeps nothing.
class redis : public redis_client_alone {
protected:
    redis() {
        do {
            port = free_port(); // until somebody else takes it
            server.emplace(strings{"setpriv", "--pdeathsig", "KILL", "redis-server", "--bind",
                                   "127.0.0.1", "--port", std::to_string(port), "--unixsocket",
                                   folder / "socket", "--save", "", "--appendonly", "no", "--dir",
                                   folder.path()});
        } while (!server->prints("Ready to accept connections") &&
                 contains(server->printed(), "Address already in use"));
        EXPECT_TRUE(server->prints("Ready to accept connections")) << server->printed();
    }

    /// Its time-out is that of the whole test, unless `options` have another.
    strings to_server(const strings& options) {
        return strings{port_option(port), "--timeout=200"} + options;
    }
    /// What the server says to one command.
    std::string reply_to(const strings& command, int status = EXIT_SUCCESS) {
        return output_of(child_program{redis_client(to_server(command))}, status);
    }
    /// What it says to many.
    std::string replies_to(const std::string& commands, const strings& options = {},
                           int status = EXIT_SUCCESS) {
        return output_of(child_program{reading(commands, to_server(options))}, status);
    }
    void wait_until(const std::function<bool()>& holds) {
        const test::deadline end;
        while (!holds())
            ASSERT_FALSE(end.has_passed()) << server->printed();
    }
    void wait_for_blocked_clients(int count) {
        const std::string line = "blocked_clients:" + std::to_string(count) + "\\r\\n";
        wait_until([&] { return contains(reply_to({"INFO", "clients"}), line); });
    }

    std::uint16_t port = 0;
    std::optional<child_program> server;
};

TEST_F(redis, replies_are_printed_as_redis_cli_prints_them) {
    for (const strings& command :
         {strings{"PING"}, strings{"SET", "k", "a \"b\" \\ \t\r\n\a\b\x1b\x7f\xc3\xa9"},
          strings{"GET", "k"}, strings{"GET", "missing"}, strings{"STRLEN", "k"},
          strings{"LRANGE", "missing", "0", "-1"},
          strings{"EVAL", "return {1, {2, {'a', false}, {}}, {{{'b'}}}, 'c'}", "0"},
          strings{"EVAL", "local t = {} for i = 1, 100 do t[i] = {i, {i}} end return t", "0"}}) {
        const strings cli{"redis-cli", "--no-raw", "-p", std::to_string(port)};
        EXPECT_EQ(reply_to(command), output_of(child_program{cli + command})) << command[0];
    }
}

TEST_F(redis, an_error_that_quotes_what_one_said_has_no_escape_sequence) {
    reply_to({"CONFIG", "SET", "requirepass", "secret"});
    EXPECT_EQ(reply_to({"\x1b[31m"}, 1).find('\x1b'), std::string::npos);
    const std::string script = "return redis.error_reply('\x1b[31mred')";
    const strings eval = redis_client(to_server({"EVAL", script, "0"}));
    EXPECT_TRUE(
        output_of(child_program{strings{"env", "REDISCLI_AUTH=secret"} + eval}, EXIT_FAILURE)
            .ends_with("\\x1b[31mred\n"));
}

TEST_F(redis, values_of_any_bytes_come_back) {
    std::string value;
    std::string command = "SET k \"";
    std::string expected = "OK\n(integer) 256\n";
    for (int i = 0; i < 256; ++i) {
        const char each = static_cast<char>(i);
        value += each;
        command += each == '"' || each == '\\' ? std::string{'\\', each} : std::string{each};
    }
    EXPECT_EQ(replies_to(command + "\"\nSTRLEN k"), expected);

    const std::string quoted = reply_to({"GET", "k"});
    std::string back;
    for (std::size_t i = 1; i + 2 < quoted.size(); ++i) {
        if (quoted[i] != '\\') {
            back += quoted[i];
        } else if (quoted[++i] == 'x') {
            back += static_cast<char>(std::stoi(quoted.substr(i + 1, 2), nullptr, 16));
            i += 2;
        } else {
            constexpr std::string_view letters = "nrtab\"\\";
            back += "\n\r\t\a\b\"\\"[letters.find(quoted[i])];
        }
    }
    EXPECT_EQ(back, value);
}

TEST_F(redis, a_big_value_goes_there_and_back) {
    constexpr std::size_t size = test::scaled(50'000'000, 2'000'000);
    std::string value = test::numbered_bytes{}.from(0, size);
    for (char& each : value)
        each = static_cast<char>('a' + static_cast<unsigned char>(each) % 26);
    value = '"' + value + '"';
    const std::string back = replies_to("SET k " + value + "\nSTRLEN k\nGET k", {"--pipeline=3"});
    EXPECT_TRUE(back == "OK\n(integer) " + std::to_string(size) + '\n' + value + '\n')
        << back.substr(0, 100);
}

TEST_F(redis, of_many_commands_in_parallel_each_gets_its_own_reply) {
    constexpr int count = test::scaled(20'000, 1'000);
    std::string commands;
    std::string expected;
    for (int i = 0; i < count; ++i) {
        commands += "ECHO " + std::to_string(i) + '\n';
        expected += '"' + std::to_string(i) + "\"\n";
    }
    for (const strings& options : {strings{}, strings{"--at-once=50"}, strings{"--pipeline=100"},
                                   strings{"--at-once=50", "--pipeline=7"}})
        EXPECT_TRUE(replies_to(commands, options) == expected);
}

TEST_F(redis, a_command_that_blocks_parks_only_its_task) {
    constexpr int count = test::scaled(2'000, 200);
    std::string commands;
    std::string expected;
    for (int i = 0; i < 20; ++i) {
        commands += "BLPOP go 0\n";
        expected += "1) \"go\"\n2) \"now\"\n";
    }
    for (int i = 0; i < count; ++i) {
        commands += "ECHO " + std::to_string(i) + '\n';
        expected += '"' + std::to_string(i) + "\"\n";
    }
    commands += "EVAL \"for i = 1, 20 do redis.call('RPUSH', 'go', 'now') end\" 0\n";
    expected += "(nil)\n";
    EXPECT_EQ(replies_to(commands, {"--at-once=21"}), expected);
}

TEST_F(redis, a_wait_burns_no_processor_time) {
    child_program client{redis_client(to_server({"--timeout=2", "BLPOP", "k", "0"}))};
    EXPECT_TRUE(client.prints("(failed) timed out\n"));
    EXPECT_LT(client.processor_time(), 300ms);
    EXPECT_EQ(client.wait(), 1);
}

TEST_F(redis, commands_that_time_out_leave_nothing_at_the_server) {
    std::string commands;
    std::string expected;
    for (int i = 0; i < 50; ++i) {
        commands += "BLPOP k 0\n";
        expected += "(failed) timed out\n";
    }
    EXPECT_EQ(replies_to(commands, {"--at-once=50", "--timeout=1"}, 1), expected);
    wait_for_blocked_clients(0);
    EXPECT_EQ(reply_to({"RPUSH", "k", "nobody takes it"}), "(integer) 1\n");
}

TEST_F(redis, whatever_times_out_when_nobody_gets_the_reply_of_another) {
    constexpr int count = test::scaled(1'000, 200);
    std::string commands;
    for (int i = 0; i < count; ++i)
        commands += "ECHO " + std::to_string(i) + '\n';
    for (const char* const timeout : {"0", "0.0002", "0.001", "0.005"}) {
        child_program client{
            reading(commands, to_server({"--at-once=20", std::string{"--timeout="} + timeout}))};
        EXPECT_GE(client.wait(), 0);
        const strings lines = lines_of(client.printed());
        ASSERT_EQ(lines.size(), static_cast<std::size_t>(count));
        for (std::size_t i = 0; i < lines.size(); ++i)
            EXPECT_TRUE(lines[i] == '"' + std::to_string(i) + '"' ||
                        lines[i] == "(failed) timed out")
                << lines[i];
    }
}

TEST_F(redis, an_error_is_the_reply_to_its_command_alone) {
    const std::string replies =
        replies_to("SET k v\nINCR k\nNONSENSE\nGET k", {"--pipeline=4"}, EXIT_FAILURE);
    EXPECT_TRUE(replies.starts_with("OK\n(error) ERR value is not an integer or out of range\n"
                                    "(error) ERR unknown command 'NONSENSE'"))
        << replies;
    EXPECT_TRUE(replies.ends_with("\n\"v\"\n")) << replies;
}

bool is_lost_connection(const std::string& line) {
    return line == "(failed) Server closed the connection" ||
           line == "(failed) Connection reset by peer" || line == "(failed) Broken pipe";
}

TEST_F(redis, when_the_server_is_killed_everyone_who_waits_is_told) {
    std::string commands;
    for (int i = 0; i < 50; ++i)
        commands += "BLPOP k 0\n";
    child_program client{reading(commands, to_server({"--at-once=50"}))};
    wait_for_blocked_clients(50);
    server->send(SIGKILL);
    const strings lines = lines_of(output_of(std::move(client), EXIT_FAILURE));
    EXPECT_EQ(lines.size(), 50u);
    for (const std::string& line : lines)
        EXPECT_TRUE(is_lost_connection(line)) << line;
}

TEST_F(redis, when_the_server_is_killed_under_load_no_reply_is_mixed_up) {
    constexpr int count = test::scaled(20'000, 1'000);
    constexpr int at_once = 20;
    std::string commands;
    for (int i = 0; i < count; ++i)
        commands += "INCR n\n";
    for (int i = 0; i < at_once; ++i)
        commands += "BLPOP k 0\n"; // whoever is as fast as that waits for the end
    child_program client{
        reading(commands, to_server({"--at-once=" + std::to_string(at_once), "--pipeline=3"}))};
    wait_until([&] { return reply_to({"GET", "n"}).size() > std::string{"\"99\"\n"}.size(); });
    server->send(SIGKILL);
    const strings lines = lines_of(output_of(std::move(client), EXIT_FAILURE));
    EXPECT_EQ(lines.size(), static_cast<std::size_t>(count + at_once));
    const std::string could_not_connect =
        "(failed) 127.0.0.1:" + std::to_string(port) + ": Connection ";
    std::set<std::string> numbers;
    for (const std::string& line : lines)
        if (line.starts_with("(integer) "))
            EXPECT_TRUE(numbers.insert(line).second) << line << " comes twice";
        else
            EXPECT_TRUE(is_lost_connection(line) || line == could_not_connect + "refused" ||
                        line == could_not_connect + "reset by peer")
                << line;
}

TEST_F(redis, a_password_is_needed_where_the_server_wants_one) {
    reply_to({"CONFIG", "SET", "requirepass", "secret"});
    const strings ping = redis_client(to_server({"PING"}));
    const auto with_password = [&](const std::string& password) {
        return child_program{strings{"env", "REDISCLI_AUTH=" + password} + ping};
    };
    EXPECT_EQ(output_of(child_program{ping}, 1), "(error) NOAUTH Authentication required.\n");
    EXPECT_TRUE(contains(output_of(with_password("wrong"), 1), "(failed) AUTH: WRONGPASS "));
    EXPECT_EQ(output_of(with_password("secret")), "PONG\n");
}

TEST_F(redis, a_name_and_the_path_of_a_socket_are_hosts) {
    EXPECT_EQ(reply_to({"--host=localhost", "PING"}), "PONG\n");
    EXPECT_EQ(reply_to({"--host=" + (folder / "socket").string(), "PING"}), "PONG\n");
}

TEST_F(redis_client_alone, names_whom_it_could_not_reach) {
    const std::string port = std::to_string(free_port());
    EXPECT_EQ(output_of(child_program{redis_client({"--port=" + port, "PING"})}, 1),
              "(failed) 127.0.0.1:" + port + ": Connection refused\n");
    EXPECT_TRUE(contains(output_of(child_program{redis_client({"--host=no host", "PING"})}, 1),
                         "(failed) miou_unix::resolve: host \"no host\""));
    EXPECT_TRUE(contains(output_of(child_program{redis_client({"--port=none", "PING"})}, 1),
                         "service \"none\""));
    const std::string path = folder / "socket";
    EXPECT_EQ(output_of(child_program{redis_client({"--host=" + path, "PING"})}, 1),
              "(failed) " + path + ": No such file or directory\n");
}

/// The command as it comes over the connection.
void expect_command(const miou_unix::file_descr& client, const strings& words) {
    std::string expected = '*' + std::to_string(words.size()) + "\r\n";
    for (const std::string& each : words)
        expected += '$' + std::to_string(each.size()) + "\r\n" + each + "\r\n";
    std::string found(expected.size(), '\0');
    miou_unix::really_read(client, found);
    EXPECT_EQ(found, expected);
}

/// Talks to a client that reads `commands` as a server that the test plays.
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
        const auto second = miou_unix::accept(listening).first; // it has given up
        error_of([&] { miou_unix::write(first, "$5\r\nfirst\r\n"); });
        expect_command(second, {"ECHO", "second"});
        error_of([&] { miou_unix::write(second, "$6\r\nsecond\r\n"); });
        miou_unix::close(first);
        miou_unix::close(second);
    };
    const std::string printed = talk("ECHO first\nECHO second", {"--timeout=2"}, 1, server);
    // A machine that stands still for so long lets the second one time out, too.
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

/// What it makes of a server that says `first`, then `rest` for as long as somebody listens.
class redis_client_of_a_talkative_server : public redis_client_of_a_bad_server {
protected:
    std::string talk(const std::string& first, const std::string& rest, const strings& options,
                     int status) {
        const auto server = [&](const miou_unix::file_descr& listening) {
            const auto client = miou_unix::accept(listening).first;
            expect_command(client, {"GET", "k"});
            error_of([&] {
                miou_unix::write(client, first);
                while (!rest.empty()) { // slowly: the client is to wait, not to compute
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

TEST_F(redis_client_of_a_talkative_server, is_not_held_up_by_a_line_without_end) {
    const test::deadline end{soon};
    for (const std::string& endless : {std::string(10'000, 'a'), std::string(10'000, '\r')})
        EXPECT_EQ(talk("+", endless, {"--timeout=200"}, 1),
                  "(failed) a line of the reply is too long\n");
    EXPECT_FALSE(end.has_passed());
}

TEST_F(redis_client_of_a_talkative_server, is_not_held_up_by_an_array_that_it_could_not_free) {
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

TEST_F(redis_client_of_a_bad_server, survives_a_write_to_nobody) {
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

TEST_F(redis_client_alone, does_not_wait_for_a_name_longer_than_the_time_out) {
    const test::deadline end;
    EXPECT_EQ(output_of(child_program{test::without_names(
                            redis_client({"--host=somewhere", "--timeout=1", "PING"}))},
                        1),
              "(failed) timed out\n");
    EXPECT_FALSE(end.has_passed());
}

TEST_F(redis_client_alone, refuses_what_makes_no_sense) {
    for (const strings& arguments :
         {strings{"--timeout=nan", "PING"}, strings{"--timeout=-1", "PING"},
          strings{"--at-once=0", "PING"}, strings{"--pipeline=", "PING"}, strings{"--fast", "PING"},
          strings{"subscribe", "news"}, strings{"MONITOR"}, strings{"client", "reply", "off"}})
        EXPECT_TRUE(
            contains(output_of(child_program{redis_client(arguments)}, 2), "Usage: redis_client"));
    EXPECT_TRUE(contains(output_of(child_program{reading("PING\nECHO \"x", {})}, 2),
                         "the last quotation has no end"));
}

TEST_F(redis_client_alone, does_nothing_without_commands) {
    EXPECT_EQ(output_of(child_program{reading(" \n\n", {})}), "");
}

} // namespace
