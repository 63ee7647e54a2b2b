// An HTTP/1.1 server on Beast, plain or over TLS: keep-alive, 100-continue, bodies of any size in
// constant memory, clients that stall are cut off, and an end by SIGTERM or Ctrl-C that lets
// requests finish.
//
//     http_server 8080                            plain
//     http_server 8443 certificate.pem key.pem    over TLS
//     http_server --idle=5 8080                   with less patience than 30 s
//
//     GET  /            a greeting
//     GET  /bytes/N     N bytes
//     POST /echo        the body that came
//
//     main -- miou_unix::run -- serve, on dom0 ------ converse, a task a connection
//                           +-- serve, on domain 1 -- converse, ...

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <getopt.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using miou_unix::use_fiber;
using miou_unix::with_timeout;
using clock = miou_unix::clock;
using tcp = asio::ip::tcp;
using socket_type = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;

constexpr auto grace = 5s; // for requests in flight when the server stops
constexpr std::size_t header_limit = 16 * 1024;
constexpr std::size_t chunk = 64 * 1024;

using request_parser = http::request_parser<http::buffer_body>;

struct settings {
    std::uint16_t port = 0;
    clock::duration idle_time = 30s; // between two requests, for a header, for each chunk of a body
    std::optional<asio::ssl::context> tls = {};
};

/// How long a client may make the server wait for a request's body and its answer. Each byte that
/// comes or goes earns time, a chunk as much as there ever is. So a slow line has the time that it
/// needs, who stalls is cut off soon, and one byte a second does not help.
class patience {
public:
    explicit patience(clock::duration most)
        : most_{most}
        , end_{clock::now() + most} {}

    /// Calls `transfer`, which returns how many bytes it has moved; throws `timed_out` at the end.
    template <class F>
    void during(F&& transfer) {
        const std::size_t moved = miou_unix::with_deadline(end_, std::forward<F>(transfer));
        const std::chrono::duration<double> earned = most_ * (static_cast<double>(moved) / chunk);
        end_ = std::min(end_ + std::chrono::duration_cast<clock::duration>(earned),
                        clock::now() + most_);
    }

private:
    clock::duration most_;
    clock::time_point end_;
};

template <class Body>
http::response<Body> response_to(const request_parser& request, http::status status) {
    http::response<Body> made{status, request.get().version()};
    made.keep_alive(request.is_header_done() && request.keep_alive());
    made.set(http::field::server, "miou");
    made.set(http::field::content_type, "text/plain");
    return made;
}

template <class Stream>
void say(Stream& client, patience& left, const request_parser& request, http::status status,
         std::string text) {
    auto response = response_to<http::string_body>(request, status);
    response.body() = std::move(text);
    response.prepare_payload();
    left.during([&] { return http::async_write(client, response, use_fiber); });
}

/// Sends a body piece by piece: `next` fills `piece.data()` and says how many bytes, 0 at the end.
template <class Stream, class Next>
void stream_body(Stream& client, patience& left, http::response<http::buffer_body>& response,
                 Next next) {
    http::response_serializer<http::buffer_body> serializer{response};
    std::string piece(chunk, 'x');
    do {
        const std::size_t size = next(piece);
        response.body().data = size != 0 ? piece.data() : nullptr;
        response.body().size = size;
        response.body().more = size != 0;
        left.during([&] {
            error_code error;
            const std::size_t sent = http::async_write(client, serializer, use_fiber[error]);
            if (error && error != http::error::need_buffer) // that one asks for the next piece
                throw boost::system::system_error{error};
            return sent;
        });
    } while (!serializer.is_done());
}

template <class Stream>
void send_bytes(Stream& client, patience& left, const request_parser& request,
                std::uint64_t count) {
    auto response = response_to<http::buffer_body>(request, http::status::ok);
    response.content_length(count);
    stream_body(client, left, response, [&](const std::string& piece) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(count, piece.size()));
        count -= size;
        return size;
    });
}

template <class Stream>
void send_back(Stream& client, patience& left, beast::flat_buffer& buffer,
               request_parser& request) {
    auto response = response_to<http::buffer_body>(request, http::status::ok);
    if (request.chunked())
        response.chunked(true);
    else
        response.content_length(request.content_length().value_or(0));
    stream_body(client, left, response, [&](std::string& piece) -> std::size_t {
        auto& body = request.get().body();
        body.data = piece.data();
        body.size = piece.size();
        while (!request.is_done() && body.size == piece.size())
            left.during([&] {
                error_code error;
                const std::size_t got =
                    http::async_read_some(client, buffer, request, use_fiber[error]);
                if (error && error != http::error::need_buffer)
                    throw boost::system::system_error{error};
                return got;
            });
        return piece.size() - body.size;
    });
}

/// The number that `text` is, if it is one.
template <class Number>
std::optional<Number> number(std::string_view text) {
    const char* const end = text.data() + text.size();
    Number value{};
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    return error == std::errc{} && stopped == end ? std::optional{value} : std::nullopt;
}

/// N of "/bytes/N".
std::optional<std::uint64_t> bytes_asked_for(std::string_view target) {
    constexpr std::string_view prefix = "/bytes/";
    if (!target.starts_with(prefix))
        return std::nullopt;
    return number<std::uint64_t>(target.substr(prefix.size()));
}

template <class Stream>
void answer(Stream& client, patience& left, beast::flat_buffer& buffer, request_parser& request) {
    const std::string_view target{request.get().target().data(), request.get().target().size()};
    const http::verb method = request.get().method();
    if (beast::iequals(request.get()[http::field::expect], "100-continue")) {
        http::response<http::empty_body> go_on{http::status::continue_, request.get().version()};
        left.during([&] { return http::async_write(client, go_on, use_fiber); });
    }
    if (method == http::verb::get && target == "/")
        say(client, left, request, http::status::ok, "hello from miou\n");
    else if (const auto count = bytes_asked_for(target); method == http::verb::get && count)
        send_bytes(client, left, request, *count);
    else if (method == http::verb::post && target == "/echo")
        send_back(client, left, buffer, request);
    else
        say(client, left, request, http::status::not_found, "there is nothing here\n");
}

/// Waits for the header of a request: success, or what is wrong with it; `end_of_stream` also when
/// none has come in time.
template <class Stream>
error_code read_header(Stream& client, clock::duration time, beast::flat_buffer& buffer,
                       request_parser& request) {
    error_code error;
    try {
        with_timeout(time,
                     [&] { http::async_read_header(client, buffer, request, use_fiber[error]); });
    } catch (const miou_unix::timed_out&) {
        return http::error::end_of_stream;
    }
    if (error && error.category() != make_error_code(http::error::end_of_stream).category())
        throw boost::system::system_error{error};
    return error;
}

/// Requests and answers until one of the sides has had enough.
template <class Stream>
void converse(Stream& client, clock::duration idle_time) {
    beast::flat_buffer buffer{header_limit + chunk};
    for (bool more = true; more;) {
        request_parser request;
        request.header_limit(header_limit);
        request.body_limit(boost::none);
        const error_code error = read_header(client, idle_time, buffer, request);
        if (error == http::error::end_of_stream)
            return;
        patience left{idle_time};
        if (error)
            say(client, left, request, http::status::bad_request, error.message() + "\n");
        else
            answer(client, left, buffer, request);
        more = !error && request.keep_alive() && request.is_done();
    }
}

/// The kernel keeps little of what a slow client has not taken, and says soon that it took some.
void limit_unsent(socket_type& socket) {
    const int most = 2 * chunk;
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof most);
}

void serve_client(socket_type& socket, settings& chosen) try {
    socket.set_option(tcp::no_delay{true});
    limit_unsent(socket);
    if (!chosen.tls) {
        converse(socket, chosen.idle_time);
        socket.shutdown(tcp::socket::shutdown_send);
        return;
    }
    asio::ssl::stream<socket_type&> secure{socket, *chosen.tls};
    with_timeout(chosen.idle_time,
                 [&] { secure.async_handshake(asio::ssl::stream_base::server, use_fiber); });
    converse(secure, chosen.idle_time);
    error_code ignored; // many clients close without waiting for ours
    with_timeout(chosen.idle_time, [&] { secure.async_shutdown(use_fiber[ignored]); });
} catch (const miou_unix::timed_out&) {
    // A reset: what was sent would wait in the kernel until the client takes it.
    socket.set_option(asio::socket_base::linger{true, 0});
    socket.close();
} catch (const boost::system::system_error& error) {
    if (error.code() != asio::ssl::error::stream_truncated) // many clients leave without a word
        throw;
}

void serve(const miou_unix::file_descr& listening, const miou_unix::stop_request& stop,
           settings& chosen) {
    const auto late = miou_unix::serve({.grace = grace}, listening, stop,
                                       [&](miou_unix::file_descr client, auto) {
                                           socket_type socket{miou_unix::executor()};
                                           socket.assign(tcp::v4(), client.release());
                                           serve_client(socket, chosen);
                                       });
    for (const std::string& each : late)
        std::cerr << "http_server: cancelled " + each + "\n";
}

void run_servers(settings& chosen) {
    const auto stop = miou_unix::stop_request::on({SIGINT, SIGTERM});
    const auto listening = miou_unix::tcpv4();
    miou_unix::bind_and_listen({.backlog = 4096, .reuseport = false}, listening,
                               tcp::endpoint{asio::ip::address_v4::loopback(), chosen.port});
    std::cout << "listening on " << miou_unix::getsockname(listening) << std::endl;

    const auto here = miou::async([&] { serve(listening, stop, chosen); });
    if (const auto others = miou::domain::all(); !others.empty())
        for (const auto& outcome :
             miou::parallel([&](miou::domain_uid) { serve(listening, stop, chosen); }, others))
            outcome.value();
    miou::await_exn(here);
    std::cout << "every connection is closed" << std::endl;
}

constexpr const char* usage = R"(Usage: http_server [--idle=SECONDS] PORT [CERTIFICATE KEY]
Serves HTTP on 127.0.0.1, over TLS if there is a certificate (PEM files).

  --idle=SECONDS   for how long a client may send no request, and for how long it may take to send
                   or to receive each 64 KiB of a body (30)

MIOU_DOMAINS: threads beside the main one (hardware threads - 1).
)";

settings settings_of(int argc, char** argv) {
    const option options[] = {{"idle", required_argument, nullptr, 'i'}, {}};
    settings chosen;
    ::opterr = 0; // what is wrong is said below
    for (int found; (found = ::getopt_long(argc, argv, "", options, nullptr)) != -1;) {
        if (found != 'i')
            throw std::invalid_argument{std::string{"there is no option "} + argv[optind - 1] +
                                        ", or it lacks its value"};
        const auto seconds = number<double>(optarg);
        if (!seconds || !(*seconds > 0 && *seconds <= 1e9)) // NaN neither
            throw std::invalid_argument{"--idle takes a number of seconds, more than 0"};
        chosen.idle_time =
            std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>{*seconds});
    }
    const int given = argc - optind;
    const auto port = given == 1 || given == 3 ? number<std::uint16_t>(argv[optind]) : std::nullopt;
    if (!port)
        throw std::invalid_argument{"there is no port, or no pair of certificate and key"};
    chosen.port = *port;
    if (given == 3) {
        chosen.tls.emplace(asio::ssl::context::tls_server);
        chosen.tls->use_certificate_chain_file(argv[optind + 1]);
        chosen.tls->use_private_key_file(argv[optind + 2], asio::ssl::context::pem);
    }
    return chosen;
}

} // namespace

int main(int argc, char** argv) try {
    settings chosen = settings_of(argc, argv);
    miou_unix::run([&] { run_servers(chosen); });
} catch (const std::invalid_argument& error) {
    std::cerr << "http_server: " << error.what() << '\n' << usage;
    return 2;
} catch (const std::exception& error) {
    std::cerr << "http_server: " << error.what() << '\n';
    return 1;
}
