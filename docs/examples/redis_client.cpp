// A Redis client on hiredis, Redis's own C library. It shows how fibers use any C library with a
// non-blocking interface: the library reads and writes what it can at once, and where it would have
// to wait, `blocking_read` or `blocking_write` parks only the calling task.
//
//     redis_client SET greeting hello
//     OK
//     redis_client --at-once=8 < commands    # one a line; the replies come in the same order
//
//     main -- miou_unix::run -- run_all -- a worker, with a connection of its own
//                                      +-- a worker, ..., on any domain

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iomanip>
#include <iostream>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using strings = std::vector<std::string>;
using reply = std::unique_ptr<redisReply, decltype([](redisReply* r) { freeReplyObject(r); })>;
using context = std::unique_ptr<redisContext, decltype([](redisContext* c) { redisFree(c); })>;

constexpr std::size_t line_limit = 64 * 1024; // of a reply; strings may be longer
constexpr int array_limit = 1 << 24;          // elements

/// What hiredis says about a connection that cannot be used any more.
struct connection_error : std::runtime_error {
    using runtime_error::runtime_error;
};

/// Makes what a server says harmless to a terminal: it escapes everything but printable ASCII, and
/// the characters of `marks`.
std::string escaped(std::string_view bytes, std::string_view marks = {}) {
    constexpr std::string_view special = "\n\r\t\a\b";
    constexpr std::string_view letters = "nrtab";
    std::string text;
    for (const char each : bytes) {
        const auto byte = static_cast<unsigned char>(each);
        if (byte >= ' ' && byte < 127) {
            if (marks.find(each) != marks.npos)
                text += '\\';
            text += each;
        } else if (const auto place = special.find(each); place != special.npos) {
            text += {'\\', letters[place]};
        } else {
            char hex[5];
            std::snprintf(hex, sizeof hex, "\\x%02x", byte);
            text += hex;
        }
    }
    return text;
}

/// The first words of commands that do not get exactly one reply each. Their further replies would
/// be taken for those to other commands. After `HELLO 3` the server may send messages unasked.
constexpr std::string_view not_answered_once[] = {
    "SUBSCRIBE ", "PSUBSCRIBE ", "SSUBSCRIBE ", "UNSUBSCRIBE ", "PUNSUBSCRIBE ", "SUNSUBSCRIBE ",
    "MONITOR ",   "SYNC ",       "PSYNC ",      "CLIENT REPLY", "HELLO 3"};

void require_one_reply(const strings& command) {
    std::string begin;
    for (std::size_t i = 0; i < std::min<std::size_t>(2, command.size()); ++i)
        begin += command[i] + ' ';
    std::ranges::transform(begin, begin.begin(), [](unsigned char c) { return std::toupper(c); });
    const auto begins_with = [&](std::string_view each) { return begin.starts_with(each); };
    if (command.empty() || std::ranges::any_of(not_answered_once, begins_with))
        throw std::invalid_argument{begin + "does not get one reply"};
}

/// Makes `reader` refuse an array that is too long, as if there were no memory for it. A single
/// line can announce two billion elements, and freeing them takes far longer than any time-out.
void limit_arrays(redisReader& reader) {
    static const redisReplyObjectFunctions unlimited = *reader.fn;
    static redisReplyObjectFunctions limited = [] {
        redisReplyObjectFunctions made = unlimited;
        made.createArray = [](const redisReadTask* of, auto elements) -> void* {
            return elements > array_limit ? nullptr : unlimited.createArray(of, elements);
        };
        return made;
    }();
    reader.fn = &limited;
}

/// A connection for one task at a time. An exception before all replies have come closes it, also a
/// time-out or a cancellation. So a late reply is never taken for the reply to the next command.
class connection {
public:
    /// A closed connection.
    connection() = default;
    /// `host` is a name, an address, or the path of a socket.
    connection(const std::string& host, const std::string& port)
        : context_{connect(host, port)} {}

    bool is_open() const noexcept { return context_ != nullptr; }

    reply command(const strings& words) { return std::move(pipeline({&words, 1}).front()); }

    /// Sends all `commands`, then waits for their replies.
    std::vector<reply> pipeline(std::span<const strings> commands) {
        std::ranges::for_each(commands, require_one_reply);
        if (!is_open())
            throw connection_error{"the connection is closed, or another task uses it"};
        context used = std::move(context_);
        for (const strings& words : commands)
            append(*used, words);
        send(*used);
        std::vector<reply> replies;
        while (replies.size() < commands.size())
            replies.push_back(receive(*used));
        context_ = std::move(used); // kept only if nothing was thrown
        return replies;
    }

private:
    static void check(const redisContext& c, int outcome) {
        if (outcome != REDIS_OK)
            throw connection_error{escaped(c.errstr)};
    }

    static context connect(const std::string& host, const std::string& port) {
        if (host.starts_with('/'))
            return connected(redisConnectUnixNonBlock(host.c_str()), host);
        // hiredis would block the thread to look up a name, so it is given addresses.
        std::string failures;
        for (const auto& address : miou_unix::resolve(host, port)) {
            const auto endpoint = static_cast<boost::asio::ip::tcp::endpoint>(address);
            const std::string numeric = endpoint.address().to_string();
            try {
                return connected(redisConnectNonBlock(numeric.c_str(), address.port()),
                                 address.to_string());
            } catch (const connection_error& error) {
                failures += (failures.empty() ? "" : "; ") + std::string{error.what()};
            }
        }
        throw connection_error{failures};
    }

    /// Waits until the connection `begun` is established.
    static context connected(redisContext* begun, const std::string& address) {
        context made{begun};
        if (!made)
            throw std::bad_alloc{};
        if (made->err != 0)
            throw connection_error{address + ": " + made->errstr};
        limit_arrays(*made->reader);
        miou_unix::blocking_write(made->fd); // a failed attempt is writable, too
        int error = 0;
        ::socklen_t size = sizeof error;
        ::getsockopt(made->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0)
            throw connection_error{address + ": " + std::generic_category().message(error)};
        return made;
    }

    static void append(redisContext& c, const strings& words) {
        std::vector<const char*> data;
        std::vector<std::size_t> sizes;
        for (const std::string& word : words) {
            data.push_back(word.data());
            sizes.push_back(word.size());
        }
        check(c, redisAppendCommandArgv(&c, static_cast<int>(words.size()), data.data(),
                                        sizes.data()));
    }

    static void send(redisContext& c) {
        for (int done = 0;;) {
            check(c, redisBufferWrite(&c, &done));
            if (done)
                return;
            miou_unix::blocking_write(c.fd);
        }
    }

    static reply receive(redisContext& c) {
        for (;;) { // the reply may have come together with an earlier one
            void* complete = nullptr;
            check(c, redisGetReplyFromReader(&c, &complete));
            if (complete != nullptr)
                return reply{static_cast<redisReply*>(complete)};
            require_line(*c.reader);
            miou_unix::blocking_read(c.fd);
            check(c, redisBufferRead(&c));
        }
    }

    /// Throws if the current line of the reply is too long. At each read the library searches the
    /// whole line for its end. Without a limit that takes minutes, and no time-out interrupts it.
    static void require_line(const redisReader& from) {
        const std::string_view rest{from.buf + from.pos, from.len - from.pos};
        if (rest.size() > line_limit && rest.substr(0, line_limit).find("\r\n") == rest.npos)
            throw connection_error{"a line of the reply is too long"};
    }

    context context_;
};

/// A reply in the format of redis-cli. All lines but the first begin with `indent`.
std::string text_of(const redisReply& from, const std::string& indent = {}) {
    switch (from.type) {
    case REDIS_REPLY_NIL:
        return "(nil)\n";
    case REDIS_REPLY_INTEGER:
        return "(integer) " + std::to_string(from.integer) + '\n';
    case REDIS_REPLY_STATUS:
        return escaped({from.str, from.len}) + '\n';
    case REDIS_REPLY_ERROR:
        return "(error) " + escaped({from.str, from.len}) + '\n';
    case REDIS_REPLY_STRING:
        return '"' + escaped({from.str, from.len}, "\"\\") + "\"\n";
    }
    if (from.elements == 0)
        return "(empty array)\n";
    const std::size_t width = std::to_string(from.elements).size();
    std::string text;
    for (std::size_t i = 0; i < from.elements; ++i) {
        const std::string number = std::to_string(i + 1);
        text += (i == 0 ? "" : indent) + std::string(width - number.size(), ' ') + number + ") ";
        text += text_of(*from.element[i], indent + std::string(width + 2, ' '));
    }
    return text;
}

struct options {
    std::string host = "127.0.0.1";
    std::string port = "6379";
    double timeout = 30;
    std::size_t at_once = 1;
    std::size_t pipeline = 1;
    std::vector<strings> commands = {};
};

/// What became of a command.
struct outcome {
    bool success = false;
    std::string text = {};
};

/// Connects, and authenticates with the password in the variable that redis-cli uses, if there is
/// one.
connection open(const options& chosen) {
    connection made{chosen.host, chosen.port};
    if (const char* const password = std::getenv("REDISCLI_AUTH")) {
        const reply answer = made.command({"AUTH", password});
        if (answer->type == REDIS_REPLY_ERROR)
            throw connection_error{"AUTH: " + escaped({answer->str, answer->len})};
    }
    return made;
}

/// Sends `commands` together. A failure is the outcome of all of them.
void run_batch(connection& server, std::span<const strings> commands, std::span<outcome> outcomes,
               const options& chosen) {
    const auto fail = [&](const std::string& why) {
        std::ranges::fill(outcomes, outcome{.success = false, .text = "(failed) " + why + '\n'});
    };
    try {
        const auto replies =
            miou_unix::with_timeout(std::chrono::duration<double>{chosen.timeout}, [&] {
                if (!server.is_open())
                    server = open(chosen);
                return server.pipeline(commands);
            });
        std::ranges::transform(replies, outcomes.begin(), [](const reply& each) {
            return outcome{.success = each->type != REDIS_REPLY_ERROR, .text = text_of(*each)};
        });
    } catch (const miou::cancelled&) {
        throw;
    } catch (const miou_unix::timed_out&) {
        fail("timed out");
    } catch (const std::exception& error) {
        fail(error.what());
    }
}

std::vector<outcome> run_all(const options& chosen) {
    const std::span commands{chosen.commands};
    std::vector<outcome> outcomes(commands.size());
    std::atomic<std::size_t> begun = 0;
    const auto work = [&] {
        connection server; // only the worker's domain uses its descriptor
        for (;;) {
            const std::size_t first = begun.fetch_add(chosen.pipeline);
            if (first >= commands.size())
                return;
            const std::size_t size = std::min(chosen.pipeline, commands.size() - first);
            run_batch(server, commands.subspan(first, size),
                      std::span{outcomes}.subspan(first, size), chosen);
        }
    };
    const std::size_t domains = 1 + miou::domain::available();
    std::vector<miou::promise<void>> workers;
    for (std::size_t i = 0; i < std::min(chosen.at_once, commands.size()); ++i)
        workers.push_back(i % domains == 0 ? miou::async(work) : miou::call(work));
    for (const auto& worker : miou::await_all(workers))
        worker.value();
    return outcomes;
}

/// Reads commands from the lines of `in`. A word in double quotes may contain any bytes, also line
/// feeds; in it, `\"` and `\\` stand for `"` and `\`.
std::vector<strings> commands_of(std::istream& in) {
    std::vector<strings> commands;
    bool begins = true;
    for (int next; (next = in.peek()) != EOF;) {
        if (std::isspace(next)) {
            begins = begins || next == '\n';
            in.get();
            continue;
        }
        std::string word;
        if (!(in >> std::quoted(word)))
            throw std::invalid_argument{"the last quotation has no end"};
        if (std::exchange(begins, false))
            commands.emplace_back();
        commands.back().push_back(std::move(word));
    }
    return commands;
}

/// The number in "--name=number", which must be at least `least`.
double number(std::string_view name, const std::string& text, double least) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || !(value >= least) || !std::isfinite(value))
        throw std::invalid_argument{std::string{name} + text + " makes no sense"};
    return value;
}

options options_of(int argc, char** argv) {
    options chosen;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; ++i) {
        const std::string text = argv[i];
        const auto is = [&](std::string_view name) { return text.starts_with(name); };
        const std::string value = text.substr(std::min(text.find('=') + 1, text.size()));
        const auto count = [&](std::string_view name) {
            return static_cast<std::size_t>(std::min(1e6, number(name, value, 1)));
        };
        if (is("--host="))
            chosen.host = value;
        else if (is("--port="))
            chosen.port = value;
        else if (is("--timeout="))
            chosen.timeout = number("--timeout=", value, 0);
        else if (is("--at-once="))
            chosen.at_once = count("--at-once=");
        else if (is("--pipeline="))
            chosen.pipeline = count("--pipeline=");
        else
            throw std::invalid_argument{"there is no option " + text};
    }
    if (i < argc)
        chosen.commands.emplace_back(argv + i, argv + argc);
    else
        chosen.commands = commands_of(std::cin);
    std::ranges::for_each(chosen.commands, require_one_reply);
    return chosen;
}

} // namespace

int main(int argc, char** argv) try {
    std::signal(SIGPIPE, SIG_IGN); // hiredis may write to a closed connection
    std::ios::sync_with_stdio(false);
    const options chosen = options_of(argc, argv);
    miou_unix::run([&] {
        const auto outcomes = run_all(chosen);
        for (const outcome& each : outcomes)
            std::cout << each.text;
        std::cout.flush();
        // Returning would wait for the system's resolver. It cannot be interrupted, and may still
        // look up a name that has timed out.
        if (!std::cout || !std::ranges::all_of(outcomes, &outcome::success))
            std::_Exit(EXIT_FAILURE);
    });
} catch (const std::invalid_argument& error) {
    std::cerr
        << "redis_client: " << error.what()
        << "\n"
           "Usage: redis_client [--host=HOST] [--port=PORT] [--timeout=SECONDS]\n"
           "                    [--at-once=N] [--pipeline=N] [COMMAND ARGUMENT...]\n"
           "Sends a command to a Redis server (127.0.0.1, 6379) and prints the reply, or all\n"
           "commands of standard input, one a line, \"words in quotes\".\n"
           "--host: a name, an address, or the path of a socket.\n"
           "--timeout: for each command, or each pipeline of them (30).\n"
           "--at-once: how many connections work at once, on all domains (1).\n"
           "--pipeline: how many commands are sent before the replies are awaited (1).\n"
           "MIOU_DOMAINS: threads beside the main one (hardware threads - 1).\n";
    return 2;
} catch (const std::exception& error) {
    std::cerr << "redis_client: " << error.what() << '\n';
    return EXIT_FAILURE;
}
