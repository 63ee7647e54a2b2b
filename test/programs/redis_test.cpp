// docs/examples/redis_client with a real Redis server, and without a server.

#include "support/child_program.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/redis_client.hpp"
#include "support/sanitized.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;
using test::child_program;
using test::contains;
using test::free_port;
using test::lines_of;
using test::output_of;
using test::port_option;
using test::redis_client;
using test::redis_client_alone;
using test::strings;
using test::operator+;

/// A test with a Redis server that stores nothing on disk.
class redis : public redis_client_alone {
protected:
    redis() {
        do {
            port = free_port(); // another process may take it meanwhile
            server.emplace(strings{"setpriv", "--pdeathsig", "KILL", "redis-server", "--bind",
                                   "127.0.0.1", "--port", std::to_string(port), "--unixsocket",
                                   folder / "socket", "--save", "", "--appendonly", "no", "--dir",
                                   folder.path()});
        } while (!server->prints("Ready to accept connections") &&
                 contains(server->printed(), "Address already in use"));
        EXPECT_TRUE(server->prints("Ready to accept connections")) << server->printed();
    }

    /// The arguments for this server. The time-out is that of a whole test unless `options` has
    /// another.
    strings to_server(const strings& options) {
        return strings{port_option(port), "--timeout=200"} + options;
    }
    /// What the client prints for one command.
    std::string reply_to(const strings& command, int status = EXIT_SUCCESS) {
        return output_of(child_program{redis_client(to_server(command))}, status);
    }
    /// What the client prints for the commands in `commands`.
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

TEST_F(redis, an_error_that_quotes_the_command_has_no_escape_sequence) {
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
    constexpr std::size_t size = test::scaled(20'000'000, 2'000'000);
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

TEST_F(redis, waiting_uses_no_processor_time) {
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

TEST_F(redis, time_outs_at_any_moment_never_mix_up_replies) {
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

TEST_F(redis, when_the_server_is_killed_every_waiting_command_fails) {
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
        commands += "BLPOP k 0\n"; // workers that come so far wait until the server is killed
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

TEST_F(redis_client_alone, names_the_server_that_it_could_not_reach) {
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

TEST_F(redis_client_alone, does_not_wait_for_a_name_longer_than_the_time_out) {
    const test::deadline end;
    EXPECT_EQ(output_of(child_program{test::without_names(
                            redis_client({"--host=somewhere", "--timeout=1", "PING"}))},
                        1),
              "(failed) timed out\n");
    EXPECT_FALSE(end.has_passed());
}

TEST_F(redis_client_alone, refuses_arguments_that_make_no_sense) {
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
