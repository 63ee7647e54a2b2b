// An HTTP/1.1 server on Beast, plain or over TLS: keep-alive, 100-continue, bodies of any size in
// constant memory, time-outs, and an end by SIGTERM or Ctrl-C that lets requests finish.
//
//     http_server 8080                            plain
//     http_server 8443 certificate.pem key.pem    over TLS
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

#include <charconv>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <optional>
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
using tcp = asio::ip::tcp;
using socket_type = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;

constexpr auto idle_time = 30s;    // between two requests, and for a whole header
constexpr auto transfer_time = 1h; // for a request and its answer
constexpr auto grace = 5s;         // for requests in flight when the server stops
constexpr std::size_t header_limit = 16 * 1024;
constexpr std::size_t chunk = 64 * 1024;

using request_parser = http::request_parser<http::buffer_body>;

template <class Body>
http::response<Body> response_to(const request_parser& request, http::status status) {
    http::response<Body> made{status, request.get().version()};
    made.keep_alive(request.is_header_done() && request.keep_alive());
    made.set(http::field::server, "miou");
    made.set(http::field::content_type, "text/plain");
    return made;
}

template <class Stream>
void say(Stream& client, const request_parser& request, http::status status, std::string text) {
    auto response = response_to<http::string_body>(request, status);
    response.body() = std::move(text);
    response.prepare_payload();
    http::async_write(client, response, use_fiber);
}

/// Sends a body piece by piece: `next` fills `piece.data()` and says how many bytes, 0 at the end.
template <class Stream, class Next>
void stream_body(Stream& client, http::response<http::buffer_body>& response, Next next) {
    http::response_serializer<http::buffer_body> serializer{response};
    http::async_write_header(client, serializer, use_fiber);
    std::string piece(chunk, 'x');
    do {
        const std::size_t size = next(piece);
        response.body().data = size != 0 ? piece.data() : nullptr;
        response.body().size = size;
        response.body().more = size != 0;
        error_code error;
        http::async_write(client, serializer, use_fiber[error]);
        if (error && error != http::error::need_buffer) // that one asks for the next piece
            throw boost::system::system_error{error};
    } while (!serializer.is_done());
}

template <class Stream>
void send_bytes(Stream& client, const request_parser& request, std::uint64_t left) {
    auto response = response_to<http::buffer_body>(request, http::status::ok);
    response.content_length(left);
    stream_body(client, response, [&](const std::string& piece) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
        left -= size;
        return size;
    });
}

template <class Stream>
void send_back(Stream& client, beast::flat_buffer& buffer, request_parser& request) {
    auto response = response_to<http::buffer_body>(request, http::status::ok);
    response.chunked(true);
    stream_body(client, response, [&](std::string& piece) -> std::size_t {
        auto& body = request.get().body();
        body.data = piece.data();
        body.size = piece.size();
        while (!request.is_done() && body.size == piece.size()) {
            error_code error;
            http::async_read_some(client, buffer, request, use_fiber[error]);
            if (error && error != http::error::need_buffer)
                throw boost::system::system_error{error};
        }
        return piece.size() - body.size;
    });
}

/// N of "/bytes/N".
std::optional<std::uint64_t> bytes_asked_for(std::string_view target) {
    constexpr std::string_view prefix = "/bytes/";
    if (!target.starts_with(prefix))
        return std::nullopt;
    const char* const end = target.data() + target.size();
    std::uint64_t count = 0;
    const auto [stopped, error] = std::from_chars(target.data() + prefix.size(), end, count);
    return error == std::errc{} && stopped == end ? std::optional{count} : std::nullopt;
}

template <class Stream>
void answer(Stream& client, beast::flat_buffer& buffer, request_parser& request) {
    const std::string_view target{request.get().target().data(), request.get().target().size()};
    const http::verb method = request.get().method();
    if (beast::iequals(request.get()[http::field::expect], "100-continue")) {
        http::response<http::empty_body> go_on{http::status::continue_, request.get().version()};
        http::async_write(client, go_on, use_fiber);
    }
    if (method == http::verb::get && target == "/")
        say(client, request, http::status::ok, "hello from miou\n");
    else if (const auto count = bytes_asked_for(target); method == http::verb::get && count)
        send_bytes(client, request, *count);
    else if (method == http::verb::post && target == "/echo")
        send_back(client, buffer, request);
    else
        say(client, request, http::status::not_found, "there is nothing here\n");
}

/// Requests and answers until one of the sides has had enough.
template <class Stream>
void converse(Stream& client) {
    beast::flat_buffer buffer{header_limit + chunk};
    for (bool more = true; more;) {
        request_parser request;
        request.header_limit(header_limit);
        request.body_limit(boost::none);
        error_code error;
        with_timeout(idle_time,
                     [&] { http::async_read_header(client, buffer, request, use_fiber[error]); });
        if (error == http::error::end_of_stream)
            return;
        if (error && error.category() != make_error_code(http::error::end_of_stream).category())
            throw boost::system::system_error{error};
        with_timeout(transfer_time, [&] {
            if (error)
                say(client, request, http::status::bad_request, error.message() + "\n");
            else
                answer(client, buffer, request);
        });
        more = !error && request.keep_alive() && request.is_done();
    }
}

void serve_client(socket_type socket, asio::ssl::context* tls) {
    if (tls == nullptr) {
        socket.set_option(tcp::no_delay{true});
        converse(socket);
        socket.shutdown(tcp::socket::shutdown_send);
        return;
    }
    asio::ssl::stream<socket_type> secure{std::move(socket), *tls};
    with_timeout(idle_time,
                 [&] { secure.async_handshake(asio::ssl::stream_base::server, use_fiber); });
    converse(secure);
    error_code ignored; // many clients close without waiting for ours
    with_timeout(idle_time, [&] { secure.async_shutdown(use_fiber[ignored]); });
}

void serve(const miou_unix::file_descr& listening, const miou_unix::stop_request& stop,
           asio::ssl::context* tls) {
    const auto late = miou_unix::serve({.grace = grace}, listening, stop,
                                       [&](miou_unix::file_descr client, auto) {
                                           socket_type socket{miou_unix::executor()};
                                           socket.assign(tcp::v4(), client.release());
                                           serve_client(std::move(socket), tls);
                                       });
    for (const std::string& each : late)
        std::cerr << "http_server: cancelled " + each + "\n";
}

void run_servers(std::uint16_t port, asio::ssl::context* tls) {
    const auto stop = miou_unix::stop_request::on({SIGINT, SIGTERM});
    const auto listening = miou_unix::tcpv4();
    miou_unix::bind_and_listen({.backlog = 4096, .reuseport = false}, listening,
                               tcp::endpoint{asio::ip::address_v4::loopback(), port});
    std::cout << "listening on " << miou_unix::getsockname(listening) << std::endl;

    const auto here = miou::async([&] { serve(listening, stop, tls); });
    if (const auto others = miou::domain::all(); !others.empty())
        for (const auto& outcome :
             miou::parallel([&](miou::domain_uid) { serve(listening, stop, tls); }, others))
            outcome.value();
    miou::await_exn(here);
    std::cout << "every connection is closed" << std::endl;
}

} // namespace

int main(int argc, char** argv) try {
    std::uint16_t port = 0;
    const std::string_view text = argc == 2 || argc == 4 ? argv[1] : "";
    if (const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
        error != std::errc{} || end != text.data() + text.size()) {
        std::cerr << "Usage: http_server PORT [CERTIFICATE KEY]\n"
                     "Serves HTTP on 127.0.0.1, over TLS if there is a certificate (PEM files).\n"
                     "MIOU_DOMAINS: threads beside the main one (hardware threads - 1).\n";
        return 2;
    }
    std::optional<asio::ssl::context> tls;
    if (argc == 4) {
        tls.emplace(asio::ssl::context::tls_server);
        tls->use_certificate_chain_file(argv[2]);
        tls->use_private_key_file(argv[3], asio::ssl::context::pem);
    }
    miou_unix::run([&] { run_servers(port, tls ? &*tls : nullptr); });
} catch (const std::exception& error) {
    std::cerr << "http_server: " << error.what() << '\n';
    return 1;
}
