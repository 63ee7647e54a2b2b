// A chat room on Beast: a page for the browser, and the WebSocket that the page talks to.
//
//     chat 8080        then open http://127.0.0.1:8080/ twice
//
//     main -- miou_unix::run -- closes the room when the program is to end
//                           +-- serve, on dom0 ------ a task per connection -- reads
//                           |                                              +-- writes
//                           |                                              +-- waits for overflow
//                           +-- serve, on domain 1 -- ...
//
// The task of a connection owns its socket and its outbox. There is one room for all domains. It
// knows the names and the outboxes of its members. What a member says is put into every outbox, so
// no task waits for the peer of another. An outbox has a limit: a member that does not read is
// dropped.
//
// A message is text in lines. The first message of a member is its name, and the others are what it
// says. A member is sent
//
//     here, and the names of all members      at first
//     joined, a name
//     left, a name
//     said, a name, and the text

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::system::error_code;
using miou_unix::use_fiber;
using miou_unix::with_timeout;
using tcp = asio::ip::tcp;
using socket_type = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;
using websocket_type = websocket::stream<socket_type, false>; // false: no compression
using request_type = http::request<http::empty_body>;

constexpr auto entry_time = 30s; // for a request, and for the name of a member
constexpr auto close_time = 3s;  // for the answer to a close frame
constexpr auto grace = 5s;       // for all connections when the server stops
constexpr std::size_t header_limit = 16 * 1024;
constexpr std::size_t name_limit = 100;
constexpr std::size_t message_limit = 4096;
constexpr std::size_t outbox_limit = 8192; // messages

constexpr std::string_view page = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Chat</title>
<style>
:root { color-scheme: light dark; --accent: light-dark(#0b6e4f, #4cc38a);
        --line: light-dark(#d9dde1, #3a3f44); --paper: light-dark(#f5f7f8, #1b1e21); }
* { box-sizing: border-box; }
body { margin: 0; height: 100dvh; display: grid; grid-template: auto 1fr auto / 1fr 11rem;
       font: 16px/1.45 system-ui, sans-serif; }
header, form { grid-column: 1 / -1; padding: .7rem 1rem; background: var(--paper); }
header { display: flex; align-items: baseline; gap: 1rem; border-bottom: 1px solid var(--line); }
h1 { margin: 0; font-size: 1.15rem; }
#state::before { content: "\25cf"; margin-right: .4rem; color: #c33; }
[data-state=open] #state::before { color: var(--accent); }
ol, ul { margin: 0; padding: 1rem; list-style: none; overflow: auto; }
#log { display: flex; flex-direction: column; gap: .3rem; }
#log li { overflow-wrap: anywhere; white-space: pre-wrap; }
#log b { margin-right: .6rem; unicode-bidi: isolate; }
#log .mine b { color: var(--accent); }
#log .notice { opacity: .65; font-style: italic; }
#people { border-left: 1px solid var(--line); overflow-wrap: anywhere; }
form { display: flex; gap: .6rem; border-top: 1px solid var(--line); }
input { flex: 1; min-width: 0; }
input, button { font: inherit; padding: .45rem .7rem; border: 1px solid var(--line);
                border-radius: .4rem; }
button { background: var(--accent); color: light-dark(#fff, #111); border: 0; cursor: pointer; }
[data-state=open] #join, body:not([data-state=open]) #say { display: none; }
@media (max-width: 30rem) { body { grid-template-columns: 1fr; } #people { display: none; } }
</style>
</head>
<body data-state="out">
<header><h1>Chat</h1><span id="state" role="status">not connected</span></header>
<ol id="log" aria-live="polite"></ol>
<ul id="people" aria-label="In the room"></ul>
<form id="join">
<input id="name" maxlength="30" placeholder="Your name" required autofocus autocomplete="nickname">
<button>Join</button>
</form>
<form id="say">
<input id="text" maxlength="1000" placeholder="Say something" required autocomplete="off">
<button>Send</button>
</form>
<script>
'use strict';
const [state, log, people, join, nameInput, say, textInput] =
    ['state', 'log', 'people', 'join', 'name', 'say', 'text'].map(id => document.getElementById(id));
let socket;
let me;

function show(value, text, focus) {
    document.body.dataset.state = value;
    state.textContent = text;
    focus?.focus();
}

function element(tag, text, className = '') {
    const made = document.createElement(tag);
    made.textContent = text; // text, never markup
    made.className = className;
    return made;
}

function write(item) {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
    log.append(item);
    if (log.children.length > 1000)
        log.firstChild.remove();
    if (atEnd)
        log.scrollTop = log.scrollHeight;
}

const told = {
    here(...names) {
        people.replaceChildren(...names.map(name => element('li', name)));
        show('open', `connected as ${me}`, textInput);
    },
    joined(name) {
        people.append(element('li', name));
        write(element('li', `${name} has joined`, 'notice'));
    },
    left(name) {
        [...people.children].find(each => each.textContent === name)?.remove();
        write(element('li', `${name} has left`, 'notice'));
    },
    said(name, ...lines) {
        const item = element('li', lines.join('\n'), name === me ? 'mine' : '');
        item.prepend(element('b', name));
        write(item);
    },
};

join.onsubmit = event => {
    event.preventDefault();
    me = nameInput.value.trim();
    show('joining', 'connecting\u2026');
    socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/chat`);
    socket.onopen = () => socket.send(me);
    socket.onmessage = ({data}) => {
        const [what, ...rest] = data.split('\n');
        told[what](...rest);
    };
    socket.onclose = ({reason}) => {
        people.replaceChildren();
        show('out', `not connected: ${reason || 'the connection is lost'}`, nameInput);
    };
};

say.onsubmit = event => {
    event.preventDefault();
    socket.send(textInput.value);
    textInput.value = '';
};

onpagehide = () => socket?.close(); // a browser may keep a page after it was left
</script>
</body>
</html>
)html";

using message = std::shared_ptr<const std::string>; // one copy for all members

/// The messages that are still to be sent to a member. Tasks of all domains put them in.
class outbox {
public:
    void put(message next) {
        const std::scoped_lock held{guard_};
        if (end_)
            return;
        if (waiting_.size() == outbox_limit) {
            overflow_.make();
            return;
        }
        waiting_.push_back(std::move(next));
        changed_.signal();
    }
    /// No message may follow. The first reason counts.
    void close(websocket::close_reason why) {
        const std::scoped_lock held{guard_};
        if (!end_)
            end_ = why;
        changed_.signal();
    }
    /// Waits for the next message. Returns null if there will be none.
    message take() {
        std::unique_lock held{guard_};
        changed_.wait(held, [this] { return end_ || !waiting_.empty(); });
        if (waiting_.empty())
            return nullptr;
        message first = std::move(waiting_.front());
        waiting_.pop_front();
        return first;
    }
    /// May be called when `take` has returned null.
    const websocket::close_reason& end() const { return *end_; }
    void wait_for_overflow() const { overflow_.wait(); }

private:
    miou::mutex guard_;
    miou::condition changed_;
    std::deque<message> waiting_;
    std::optional<websocket::close_reason> end_;
    miou_unix::stop_request overflow_;
};

/// The members that are here. All of them are sent the same messages in the same order.
class room {
public:
    explicit room(miou_unix::stop_request stop)
        : stop_{std::move(stop)} {}
    /// The request with which the room closes.
    const miou_unix::stop_request& stop() const { return stop_; }

    /// False if another member has this name.
    bool enter(const std::string& name, outbox& box) {
        return undivided([&] {
            if (members_.contains(name))
                return false;
            tell_all("joined\n" + name);
            members_.emplace(name, &box);
            std::string here = "here";
            for (const auto& [each, its_box] : members_)
                here += '\n' + each;
            box.put(std::make_shared<const std::string>(std::move(here)));
            if (stop_.is_made())
                box.close(going_away());
            return true;
        });
    }
    void leave(const std::string& name) {
        undivided([&] {
            members_.erase(name);
            tell_all("left\n" + name);
        });
    }
    void say(const std::string& name, const std::string& text) {
        undivided([&] { tell_all("said\n" + name + '\n' + text); });
    }
    /// Waits for the stop, then closes the outbox of every member.
    void close_in_time() {
        stop_.wait();
        undivided([&] {
            for (const auto& [name, box] : members_)
                box->close(going_away());
        });
    }

private:
    /// Calls `fn` under the lock. A cancellation does not interrupt it: a message reaches all
    /// members or none.
    template <class F>
    std::invoke_result_t<F&> undivided(F&& fn) {
        return miou::uncancellable([&] { return guard_.protect(fn); });
    }
    void tell_all(std::string text) {
        const auto told = std::make_shared<const std::string>(std::move(text));
        for (const auto& [name, box] : members_)
            box->put(told);
    }
    static websocket::close_reason going_away() {
        return {websocket::close_code::going_away, "the server stops"};
    }

    miou::mutex guard_;
    std::map<std::string, outbox*> members_;
    const miou_unix::stop_request stop_;
};

struct code_points {
    char32_t first;
    char32_t last;
};

/// Characters that end lines, move cursors, or change the direction of the text after them.
constexpr code_points steering[] = {{0x00, 0x1f}, {0x7f, 0x9f}, {0x2028, 0x202e}, {0x2066, 0x2069}};

/// Characters that are invisible, or look like a space.
constexpr code_points unseen[] = {
    {0xa0, 0xa0},      {0xad, 0xad},     {0x34f, 0x34f},   {0x61c, 0x61c},     {0x115f, 0x1160},
    {0x1680, 0x1680},  {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x2000, 0x200f},   {0x202f, 0x202f},
    {0x205f, 0x206f},  {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164},   {0xfe00, 0xfe0f},
    {0xfeff, 0xfeff},  {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
    {0xe0000, 0xe0fff}};

bool is_in(std::span<const code_points> table, char32_t c) {
    if (c >= ' ' && c < 0x7f) // the common case
        return false;
    return std::ranges::any_of(table,
                               [=](code_points each) { return each.first <= c && c <= each.last; });
}

/// Removes the first character from `text`, which is UTF-8 and not empty, and returns it.
char32_t take_character(std::string_view& text) {
    const auto lead = static_cast<unsigned char>(text.front());
    const int more = lead < 0xc0 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    char32_t c = more == 0 ? lead : lead & (0x3f >> more);
    for (int i = 1; i <= more; ++i)
        c = c << 6 | (static_cast<unsigned char>(text[static_cast<std::size_t>(i)]) & 0x3f);
    text.remove_prefix(static_cast<std::size_t>(1 + more));
    return c;
}

/// Whether `text`, which is UTF-8, may be a name: no other name may look the same.
bool is_name(std::string_view text) {
    if (text.empty() || text.size() > name_limit || text.starts_with(' ') || text.ends_with(' ') ||
        text.find("  ") != text.npos)
        return false;
    while (!text.empty())
        if (const char32_t c = take_character(text); is_in(steering, c) || is_in(unseen, c))
            return false;
    return true;
}

/// `text`, which is UTF-8, with a visible character in place of each control character. Messages
/// reach terminals, too.
std::string harmless(std::string_view text) {
    std::string made;
    while (!text.empty()) {
        const std::string_view before = text;
        const char32_t c = take_character(text);
        if (is_in(steering, c) && c != '\n' && c != '\t')
            made += "\xef\xbf\xbd"; // U+FFFD
        else
            made += before.substr(0, before.size() - text.size());
    }
    return made;
}

/// Waits for the next message. Returns none if the connection has ended.
std::optional<std::string> next_message(websocket_type& peer) {
    beast::flat_buffer buffer;
    error_code error;
    peer.async_read(buffer, use_fiber[error]);
    return error ? std::nullopt : std::optional{beast::buffers_to_string(buffer.data())};
}

void listen(websocket_type& peer, const std::string& name, room& here, outbox& box) {
    while (const auto text = next_message(peer))
        if (peer.got_text()) // Beast has checked that it is UTF-8
            here.say(name, harmless(*text));
        else
            box.close({websocket::close_code::unknown_data, "this room is for text"});
}

/// Only this task sends and closes: a stream allows only one of these at a time.
void deliver(websocket_type& peer, outbox& box) {
    error_code error;
    for (message next; !error && (next = box.take());)
        peer.async_write(asio::buffer(*next), use_fiber[error]);
    if (!error)
        peer.async_close(box.end(), use_fiber[error]);
}

void be_member(websocket_type& peer, const std::string& name, room& here) {
    outbox box;
    if (!here.enter(name, box)) {
        error_code ignored;
        peer.async_close({websocket::close_code::policy_error, "somebody has this name"},
                         use_fiber[ignored]);
        return;
    }
    struct at_end {
        room& of;
        const std::string& name;
        ~at_end() { of.leave(name); }
    } const leaving{here, name};

    const auto reader = miou::async([&] { listen(peer, name, here, box); });
    const auto writer = miou::async([&] { deliver(peer, box); });
    const auto overflow = miou::async([&] {
        box.wait_for_overflow();
        std::cerr << "chat: " + name + " does not read and is dropped\n";
        // The system discards what was not read, too.
        peer.next_layer().set_option(asio::socket_base::linger{true, 0});
    });
    miou::await_first({reader, writer, overflow}).value();
}

/// Runs `fn`, which waits for a peer that is not a member yet. False if the room closes before.
template <class F>
bool before_stop(const room& here, F&& fn) {
    with_timeout(entry_time, [&] {
        const auto work = miou::async(fn);
        const auto stop = miou::async([&] { here.stop().wait(); });
        miou::await_first({work, stop}).value();
    });
    return !here.stop().is_made();
}

void welcome(socket_type socket, const request_type& request, room& here,
             std::chrono::seconds patience) {
    websocket_type peer{std::move(socket)};
    // Beast pings a peer that is silent for half of that time.
    peer.set_option(websocket::stream_base::timeout{close_time, patience, true});
    peer.read_message_max(message_limit);
    error_code error;
    peer.async_accept(request, use_fiber[error]); // sends a refusal if the request is bad
    if (error)
        return;
    std::optional<std::string> name;
    if (!before_stop(here, [&] { name = next_message(peer); }) || !name)
        return;
    if (peer.got_text() && is_name(*name))
        be_member(peer, *name, here);
    else
        peer.async_close({websocket::close_code::policy_error, "this is not a name"},
                         use_fiber[error]);
}

/// Answers a request. A HEAD gets the same header without `text`.
void answer(socket_type& client, http::verb method, http::status status, std::string_view type,
            std::string_view text) {
    http::response<http::string_body> response{status, 11, std::string{text}};
    response.set(http::field::server, "miou");
    response.set(http::field::content_type, type);
    response.keep_alive(false);
    response.prepare_payload();
    http::response_serializer<http::string_body> serializer{response};
    with_timeout(entry_time, [&] {
        if (method == http::verb::head)
            http::async_write_header(client, serializer, use_fiber);
        else
            http::async_write(client, serializer, use_fiber);
    });
    client.shutdown(tcp::socket::shutdown_send);
}

/// Whether the request comes from a page of another server: a browser names the page in `Origin`.
bool is_from_elsewhere(const request_type& request) {
    const auto origin = request.find(http::field::origin);
    return origin != request.end() &&
           !origin->value().ends_with("://" + std::string{request[http::field::host]});
}

/// Serves one request, and closes the connection.
void serve_client(socket_type socket, room& here, std::chrono::seconds patience) {
    socket.set_option(tcp::no_delay{true});
    beast::flat_buffer buffer{2 * header_limit};
    http::request_parser<http::empty_body> parser;
    parser.header_limit(header_limit);
    error_code error;
    const auto read = [&] { http::async_read_header(socket, buffer, parser, use_fiber[error]); };
    if (!before_stop(here, read) || error == http::error::end_of_stream)
        return;
    const request_type& request = parser.get();
    const http::verb method = request.method();
    const auto say = [&](http::status status, std::string_view text,
                         std::string_view type = "text/plain") {
        answer(socket, method, status, type, text);
    };
    if (error)
        say(http::status::bad_request, error.message() + "\n");
    else if ((method == http::verb::get || method == http::verb::head) && request.target() == "/")
        say(http::status::ok, page, "text/html; charset=utf-8");
    else if (request.target() != "/chat" || method != http::verb::get)
        say(http::status::not_found, "there is nothing here\n");
    else if (is_from_elsewhere(request))
        say(http::status::forbidden, "this is for the page of this server\n");
    else
        welcome(std::move(socket), request, here, patience);
}

void serve(const miou_unix::file_descr& listening, room& here, std::chrono::seconds patience) {
    const auto late = miou_unix::serve({.grace = grace}, listening, here.stop(),
                                       [&](miou_unix::file_descr client, auto) {
                                           socket_type socket{miou_unix::executor()};
                                           socket.assign(tcp::v4(), client.release());
                                           serve_client(std::move(socket), here, patience);
                                       });
    for (const std::string& each : late)
        std::cerr << "chat: cancelled " + each + "\n";
}

void run_servers(std::uint16_t port, std::chrono::seconds patience) {
    const auto stop = miou_unix::stop_request::on({SIGINT, SIGTERM});
    const auto listening = miou_unix::tcpv4();
    miou_unix::bind_and_listen({.backlog = 4096, .reuseport = false}, listening,
                               tcp::endpoint{asio::ip::address_v4::loopback(), port});
    std::cout << "listening on " << miou_unix::getsockname(listening) << std::endl;

    room here{stop};
    const auto closing = miou::async([&] { here.close_in_time(); });
    const auto on_dom0 = miou::async([&] { serve(listening, here, patience); });
    if (const auto others = miou::domain::all(); !others.empty())
        for (const auto& outcome :
             miou::parallel([&](miou::domain_uid) { serve(listening, here, patience); }, others))
            outcome.value();
    miou::await_exn(on_dom0);
    miou::await_exn(closing);
    std::cout << "every connection is closed" << std::endl;
}

template <class Number>
bool parse(std::string_view text, Number& number) {
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, number);
    return error == std::errc{} && stopped == end;
}

} // namespace

int main(int argc, char** argv) try {
    std::uint16_t port = 0;
    std::uint16_t patience = 60;
    if (argc < 2 || argc > 3 || !parse(argv[1], port) ||
        (argc == 3 && (!parse(argv[2], patience) || patience == 0))) {
        std::cerr << "Usage: chat PORT [SECONDS]\n"
                     "A chat room on http://127.0.0.1:PORT/. After SECONDS (60) without a sign of\n"
                     "life a member is dropped.\n"
                     "MIOU_DOMAINS: threads beside the main one (hardware threads - 1).\n";
        return 2;
    }
    miou_unix::run([&] { run_servers(port, std::chrono::seconds{patience}); });
} catch (const std::exception& error) {
    std::cerr << "chat: " << error.what() << '\n';
    return 1;
}
