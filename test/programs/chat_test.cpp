// docs/examples/chat as its members see it: in browsers, and with hundreds of clients.

#include "support/browser.hpp"
#include "support/http_program.hpp"
#include "support/io.hpp"
#include "support/sanitized.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;
using miou_unix::use_fiber;
using tcp = asio::ip::tcp;
using strings = std::vector<std::string>;

struct server : test::http_program {
    /// `options` may say after how many seconds of silence a member is dropped.
    explicit server(const strings& options = {})
        : http_program{"chat", options} {}
};

/// For a task.
template <class F>
void as_client(F&& fn) {
    miou_unix::run({.domains = 0}, std::forward<F>(fn));
}

/// A WebSocket to the room.
class client {
public:
    explicit client(const server& to, const std::string& path = "/chat") {
        stream_.next_layer().async_connect({asio::ip::address_v4::loopback(), to.port()},
                                           use_fiber);
        stream_.async_handshake("127.0.0.1:" + std::to_string(to.port()), path, use_fiber);
    }

    void send(const std::string& text) { stream_.async_write(asio::buffer(text), use_fiber); }
    void send_binary(const std::string& data) {
        stream_.binary(true);
        send(data);
    }
    /// The next message.
    std::string hear() {
        beast::flat_buffer buffer;
        stream_.async_read(buffer, use_fiber);
        return beast::buffers_to_string(buffer.data());
    }
    /// Skips messages until `text` comes.
    void hear(std::string_view text) {
        while (hear() != text) {
        }
    }
    /// Reads to the end. Returns the code of the close frame, or 0 if none came.
    websocket::close_code end() {
        test::error_of([&] {
            for (;;)
                hear();
        });
        return static_cast<websocket::close_code>(stream_.reason().code);
    }
    void close() { stream_.async_close(websocket::close_code::normal, use_fiber); }
    tcp::socket& socket() { return stream_.next_layer(); }

private:
    websocket::stream<tcp::socket, false> stream_{miou_unix::executor()};
};

/// A member of the room. It has been told who is here.
class member : public client {
public:
    member(const server& to, const std::string& name)
        : client{to} {
        send(name);
        here_ = hear();
    }
    const std::string& here() const { return here_; }

private:
    std::string here_;
};

TEST(chat, a_member_is_told_who_is_here_who_joins_who_leaves_and_what_is_said) {
    server room;
    as_client([&] {
        member alice{room, "Alice"};
        EXPECT_EQ(alice.here(), "here\nAlice");
        {
            member bob{room, "Bob"};
            EXPECT_EQ(bob.here(), "here\nAlice\nBob");
            EXPECT_EQ(alice.hear(), "joined\nBob");
            bob.send("Hello,\n\xe4\xb8\x96\xe7\x95\x8c!");
            EXPECT_EQ(bob.hear(), "said\nBob\nHello,\n\xe4\xb8\x96\xe7\x95\x8c!");
            EXPECT_EQ(alice.hear(), "said\nBob\nHello,\n\xe4\xb8\x96\xe7\x95\x8c!");
            bob.close();
        }
        EXPECT_EQ(alice.hear(), "left\nBob");
        member again{room, "Bob"};
        EXPECT_EQ(again.here(), "here\nAlice\nBob");
        alice.close();
        again.close();
    });
    room.stop();
}

TEST(chat, hundreds_of_members_hear_every_message_once_in_the_same_order) {
    constexpr std::size_t members = test::scaled(300, 50);
    constexpr std::size_t speakers = 20;
    constexpr std::size_t messages = 5; // from each member
    server room;
    std::vector<strings> heard(members);
    as_client([&] {
        const auto take_part = [&](std::size_t i) {
            member me{room, std::to_string(i)};
            auto present = std::ranges::count(me.here(), '\n');
            const auto hear = [&] {
                const std::string text = me.hear();
                if (text.starts_with("joined\n"))
                    ++present;
                else if (text.starts_with("said\n"))
                    heard[i].push_back(text);
            };
            while (present < std::ptrdiff_t{members})
                hear();
            for (std::size_t n = 0; i < speakers && n < messages; ++n)
                me.send(std::to_string(n));
            while (heard[i].size() < speakers * messages)
                hear();
        };
        std::vector<miou::promise<void>> tasks;
        for (std::size_t i = 0; i < members; ++i)
            tasks.push_back(miou::async([&, i] { take_part(i); }));
        for (const auto& outcome : miou::await_all(tasks))
            outcome.value();
    });
    for (const strings& each : heard)
        EXPECT_EQ(each, heard[0]);
    for (std::size_t i = 0; i < speakers; ++i) {
        const std::string before = "said\n" + std::to_string(i) + '\n';
        std::size_t next = 0;
        for (const std::string& text : heard[0])
            if (text.starts_with(before)) {
                EXPECT_EQ(text, before + std::to_string(next++));
            }
        EXPECT_EQ(next, messages);
    }
    room.stop();
}

TEST(chat, a_member_that_never_reads_is_dropped_and_the_others_go_on) {
    server room{{"3600"}}; // so that it is not dropped for its silence
    as_client([&] {
        member alice{room, "Alice"};
        member bob{room, "Bob"};
        member deaf{room, "Deaf"};
        alice.hear("joined\nDeaf");
        bob.hear("joined\nDeaf");
        const std::string words(4000, 'x');
        for (bool dropped = false; !dropped;) { // fills the system's buffers, then the outbox
            constexpr int at_once = 32;
            for (int i = 0; i < at_once; ++i)
                alice.send(words);
            for (member* each : {&alice, &bob})
                for (int i = 0; i < at_once; ++i) {
                    std::string text = each->hear();
                    if (text == "left\nDeaf") {
                        dropped = true;
                        text = each->hear();
                    }
                    ASSERT_EQ(text, "said\nAlice\n" + words);
                }
        }
        bob.send("Is it quiet now?");
        alice.hear("said\nBob\nIs it quiet now?");
        bob.hear("said\nBob\nIs it quiet now?");
        EXPECT_EQ(deaf.end(), websocket::close_code::none); // a reset
    });
    EXPECT_TRUE(room.program().prints("chat: Deaf does not read and is dropped"));
    if (!TEST_SANITIZED) {
        EXPECT_LT(room.program().peak_memory(), std::size_t{80} << 20);
    }
    room.stop();
}

TEST(chat, a_member_that_gives_no_sign_of_life_is_dropped) {
    server room{{"1"}};
    as_client([&] {
        member silent{room, "Silent"};
        std::string pings; // answered only when the member reads
        error_code error;
        asio::async_read(silent.socket(), asio::dynamic_buffer(pings), use_fiber[error]);
        EXPECT_EQ(error, asio::error::eof);
    });
    room.stop();
}

TEST(chat, a_forbidden_message_ends_only_the_membership_of_its_sender) {
    server room;
    as_client([&] {
        member alice{room, "Alice"};
        const auto end_after = [&](auto offence) {
            member mallory{room, "Mallory"};
            offence(mallory);
            const websocket::close_code code = mallory.end();
            alice.hear("left\nMallory");
            return code;
        };
        EXPECT_EQ(end_after([](member& m) { m.send(std::string(4097, 'x')); }),
                  websocket::close_code::too_big);
        EXPECT_EQ(end_after([](member& m) { m.send("\xc3("); }),
                  websocket::close_code::bad_payload);
        EXPECT_EQ(end_after([](member& m) { m.send_binary("\xc3("); }),
                  websocket::close_code::unknown_data);
        EXPECT_EQ(end_after([](member& m) {
                      asio::write(m.socket(), asio::buffer(std::string(100, '\xff')));
                  }),
                  websocket::close_code::protocol_error);
        alice.send("I am still here");
        EXPECT_EQ(alice.hear(), "said\nAlice\nI am still here");
    });
    room.stop();
}

TEST(chat, a_client_without_a_name_of_its_own_is_refused) {
    server room;
    as_client([&] {
        member alice{room, "Alice"};
        for (const std::string& name :
             strings{"Alice",
                     "",
                     "two\nlines",
                     std::string(101, 'x'),
                     "\x7f",
                     "\x1b[31mred",
                     "a\xc2\x9b\x62",             // an 8-bit control character
                     "a\xe2\x80\xa8z",            // a line separator
                     "a\xe2\x80\xaez",            // starts right-to-left text
                     "\xe2\x81\xa7z\xe2\x81\xa9", // an isolate
                     "Ali\xe2\x80\x8b\x63\x65",   // Alice with a zero-width space
                     "\xef\xbb\xbf\x41lice",      // with a byte order mark
                     "Alice\xe2\x80\x8d",         // with a zero-width joiner
                     "Alice\xe2\x80\x8f",         // with a direction mark
                     "Al\xc2\xadice",             // with a soft hyphen
                     "Alice\xf3\xa0\x81\x81",     // with a tag character
                     " ",
                     " Alice",
                     "Alice ",
                     "Al  ice",
                     "Alice\xc2\xa0"}) {
            client nobody{room};
            nobody.send(name);
            EXPECT_EQ(nobody.end(), websocket::close_code::policy_error) << name;
        }
        client nobody{room};
        nobody.send_binary("Bob");
        EXPECT_EQ(nobody.end(), websocket::close_code::policy_error);
        alice.send("I heard nobody");
        EXPECT_EQ(alice.hear(), "said\nAlice\nI heard nobody");
    });
    room.stop();
}

TEST(chat, names_of_all_scripts_are_welcome) {
    server room;
    as_client([&] {
        for (const std::string& name :
             strings{"J\xc3\xb6rg", "\xe4\xb8\x96\xe7\x95\x8c", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
                     "\xf0\x9f\xa6\x8a", "Alice B.", "<i>Eve</i>"}) {
            member someone{room, name};
            EXPECT_NE(someone.here().find('\n' + name), std::string::npos) << name;
            someone.close();
            EXPECT_EQ(someone.end(), websocket::close_code::normal);
        }
    });
    room.stop();
}

TEST(chat, a_message_cannot_control_the_terminal_that_shows_it) {
    const std::string sign = "\xef\xbf\xbd"; // U+FFFD
    server room;
    as_client([&] {
        member alice{room, "Alice"};
        const auto heard_as = [&](const std::string& text) {
            alice.send(text);
            return alice.hear().substr(std::string{"said\nAlice\n"}.size());
        };
        for (const std::string& text :
             strings{"two\n\tlines", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d\xe2\x80\x8f!",
                     "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb"}) // joined by U+200D
            EXPECT_EQ(heard_as(text), text);
        EXPECT_EQ(heard_as("\x1b[31mred\r\x7f"), sign + "[31mred" + sign + sign);
        EXPECT_EQ(heard_as("a\xc2\x9b\x62"), "a" + sign + "b");
        EXPECT_EQ(heard_as("a\xe2\x80\xae\x62\xe2\x81\xa6\xe2\x80\xa9"),
                  "a" + sign + "b" + sign + sign);
        alice.close();
    });
    room.stop();
}

TEST(chat, a_member_that_vanishes_is_announced_as_left) {
    server room;
    as_client([&] {
        member alice{room, "Alice"};
        {
            member bob{room, "Bob"};
            bob.socket().set_option(asio::socket_base::linger{true, 0}); // a reset
        }
        alice.hear("left\nBob");
    });
    room.stop();
}

TEST(chat, a_stop_says_goodbye_to_every_member) {
    server room;
    as_client([&] {
        std::vector<std::unique_ptr<member>> members;
        for (int i = 0; i < test::scaled(100, 20); ++i)
            members.push_back(std::make_unique<member>(room, std::to_string(i)));
        members[0]->send("Farewell");
        members[0]->hear("said\n0\nFarewell");
        room.program().send(SIGTERM);
        for (std::size_t i = 0; i < members.size(); ++i) {
            if (i != 0)
                members[i]->hear("said\n0\nFarewell"); // arrives before the end
            EXPECT_EQ(members[i]->end(), websocket::close_code::going_away);
        }
    });
    EXPECT_EQ(room.program().wait(), 0);
    EXPECT_TRUE(room.program().prints("every connection is closed"));
}

TEST(chat, a_stop_does_not_wait_forever_for_a_member_that_does_not_answer) {
    server room;
    as_client([&] {
        const client nameless{room};
        const member silent{room, "Silent"};
        const auto speechless = room.connect();
        room.stop();
        miou_unix::close(speechless);
    });
}

/// What the server answers to curl.
std::string status_of(strings request) {
    request.insert(request.begin(),
                   {"curl", "-sS", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}"});
    return test::output_of(request);
}

TEST(chat, any_other_request_gets_an_http_answer) {
    server room;
    const strings upgrade{
        "-H", "Connection: upgrade",       "-H", "Upgrade: websocket",
        "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="};
    const auto with_upgrade = [&](const strings& request) {
        return test::joined(request, upgrade);
    };
    EXPECT_EQ(status_of({room.url("/")}), "200");
    EXPECT_EQ(status_of({"-d", "text", room.url("/")}), "404");
    EXPECT_EQ(status_of({room.url("/nothing")}), "404");
    EXPECT_EQ(status_of(with_upgrade({room.url("/nothing")})), "404");
    EXPECT_EQ(status_of({room.url("/chat")}), "400");
    EXPECT_EQ(status_of(with_upgrade({"-H", "Origin: http://elsewhere", room.url("/chat")})),
              "403");
    const std::string page = test::output_of({"curl", "-sS", room.url("/")});
    EXPECT_TRUE(page.starts_with("<!doctype html>") && page.ends_with("</html>\n")) << page;
    as_client([&] {
        for (const std::string& target : strings{"/", "/nothing", "/chat"})
            EXPECT_TRUE(room.answer_to("HEAD " + target + " HTTP/1.1\r\nHost: here\r\n\r\n")
                            .ends_with("\r\n\r\n"))
                << target;
        EXPECT_TRUE(
            room.answer_to("this is not HTTP\r\n\r\n").starts_with("HTTP/1.1 400 Bad Request"));
    });
    room.stop();
}

TEST(chat, arguments_that_make_no_sense_are_refused) {
    for (const strings& arguments : {strings{}, strings{"http"}, strings{"65536"}, strings{"-1"},
                                     strings{"0", "0"}, strings{"0", "1", "2"}}) {
        test::child_program program{test::command_of_program("chat", arguments)};
        EXPECT_EQ(program.wait(), 2);
        EXPECT_TRUE(program.prints("Usage: chat")) << program.printed();
    }
}

/// Alice and Bob, each in a browser, in a new room.
class chat_in_browsers : public testing::Test {
protected:
    static void SetUpTestSuite() { users.emplace(); }
    static void TearDownTestSuite() { users.reset(); }

    chat_in_browsers() {
        join(alice, "Alice");
        join(bob, "Bob");
        EXPECT_TRUE(alice.shows("#log", "Bob has joined"));
    }
    void join(test::browser& user, const std::string& name) {
        user.open(room.url("/"));
        user.type("#name", name + test::enter_key);
        EXPECT_TRUE(user.shows("#state", "connected as " + name));
        EXPECT_TRUE(user.shows("#people", name));
    }

    struct browsers {
        test::browser alice;
        test::browser bob;
    };
    static inline std::optional<browsers>
        users; // shared by the tests: browsers take seconds to start
    test::browser& alice = users.value().alice;
    test::browser& bob = users.value().bob;
    server room;
};

TEST_F(chat_in_browsers, what_one_types_appears_in_the_browser_of_the_other) {
    alice.type("#text", std::string{"Hello, Bob!"} + test::enter_key);
    EXPECT_TRUE(bob.shows("#log", "AliceHello, Bob!"));
    bob.type("#text", std::string{"Hello, \xe4\xb8\x96\xe7\x95\x8c!"} + test::enter_key);
    EXPECT_TRUE(alice.shows("#log", "BobHello, \xe4\xb8\x96\xe7\x95\x8c!"));
    EXPECT_TRUE(alice.shows("#log", "AliceHello, Bob!")); // her own message, too
    EXPECT_EQ(bob.evaluate("return document.querySelectorAll('#log b').length"), 2);
    room.stop();
}

TEST_F(chat_in_browsers, html_is_shown_as_text) {
    const std::string html = "<img src=x onerror=\"document.title='taken over'\"><i>no</i>";
    alice.type("#text", html + test::enter_key);
    EXPECT_TRUE(bob.shows("#log", html));
    EXPECT_EQ(bob.evaluate("return document.querySelectorAll('img, i').length"), 0);
    as_client([&] {
        const member eve{room, "<i>Eve</i>"};
        EXPECT_TRUE(bob.shows("#people", "<i>Eve</i>"));
    });
    EXPECT_TRUE(bob.shows("#log", "<i>Eve</i> has left"));
    EXPECT_EQ(bob.evaluate("return document.querySelectorAll('img, i').length"), 0);
    EXPECT_EQ(bob.evaluate("return document.title"), "Chat");
    room.stop();
}

TEST_F(chat_in_browsers, closing_the_window_or_the_page_leaves_the_room) {
    {
        test::browser carol;
        join(carol, "Carol");
        EXPECT_TRUE(alice.shows("#log", "Carol has joined"));
    }
    EXPECT_TRUE(alice.shows("#log", "Carol has left"));
    bob.open("about:blank");
    EXPECT_TRUE(alice.shows("#log", "Bob has left"));
    EXPECT_EQ(alice.evaluate("return document.querySelector('#people').innerText"), "Alice");
    join(bob, "Bob");
    room.stop();
}

TEST_F(chat_in_browsers, the_page_says_why_it_is_not_connected) {
    bob.open(room.url("/"));
    bob.type("#name", std::string{"Alice"} + test::enter_key);
    EXPECT_TRUE(bob.shows("#state", "not connected: somebody has this name"));
    room.stop();
    EXPECT_TRUE(alice.shows("#state", "not connected: the server stops"));
    alice.type("#name", test::enter_key); // the server has stopped
    EXPECT_TRUE(alice.shows("#state", "not connected: the connection is lost"));
}

} // namespace
