// An HTTP/1.1 server on Beast, plain or over TLS. It has keep-alive and 100-continue, and takes
// bodies of any size in constant memory. Clients that stall are cut off. SIGTERM or Ctrl-C ends it
// when the requests in flight have finished.
//
//     http_server 8080                            plain
//     http_server 8443 certificate.pem key.pem    over TLS
//     http_server --idle=5 8080                   clients may stall for 5 s instead of 30 s
//
//     GET  /            a greeting
//     GET  /bytes/N     N bytes
//     POST /echo        the body of the request
//
// HEAD is answered as GET is, without the body. A request is refused if its end or its host is
// ambiguous, and the connection is closed.
//
//     main -- miou_unix::run -- serve, on dom0 ------ converse, a task per connection
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
#include <cctype>
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
    clock::duration idle_time = 30s; // for a request, for a header, and for each chunk of a body
    std::optional<asio::ssl::context> tls = {};
};

/// How long a client may make the server wait for the body of a request and the answer. Each byte
/// that is transferred earns time, and a chunk earns all the time there can be. So a slow client
/// has the time that it needs, and one that stalls, or sends a byte a second, is cut off soon.
class patience {
public:
    explicit patience(clock::duration most)
        : most_{most}
        , end_{clock::now() + most} {}

    /// Calls `transfer`, which returns how many bytes it has transferred. Throws `timed_out` when
    /// no time is left.
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

/// Whether the error is in a message, and not in the connection.
bool is_of_http(const error_code& error) {
    return error && error.category() == make_error_code(http::error::end_of_stream).category();
}

/// The number in `text`, if `text` is one.
template <class Number>
std::optional<Number> number(std::string_view text) {
    const char* const end = text.data() + text.size();
    Number value{};
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    return error == std::errc{} && stopped == end ? std::optional{value} : std::nullopt;
}

/// The N in "/bytes/N".
std::optional<std::uint64_t> bytes_asked_for(std::string_view target) {
    constexpr std::string_view prefix = "/bytes/";
    if (!target.starts_with(prefix))
        return std::nullopt;
    return number<std::uint64_t>(target.substr(prefix.size()));
}

/// Why a request is refused. The connection is closed after it.
struct refusal : std::runtime_error {
    refusal(http::status status, const std::string& why)
        : runtime_error{why}
        , status{status} {}
    http::status status;
};

/// Whether a host and its port may contain `c`.
bool is_of_host(unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view{"-._~%!$&'()*+,;=:[]"}.find(c) != std::string_view::npos;
}

/// Throws `refusal` if the end of the request or its host is ambiguous.
void check(const http::fields& header, unsigned version) {
    const std::size_t encodings = header.count(http::field::transfer_encoding);
    if (encodings != 0 && (version < 11 || header.count(http::field::content_length) != 0))
        throw refusal{http::status::bad_request, "this has no Transfer-Encoding"};
    if (encodings > 1 ||
        (encodings == 1 && !beast::iequals(header[http::field::transfer_encoding], "chunked")))
        throw refusal{http::status::not_implemented, "the only Transfer-Encoding here is chunked"};
    const std::size_t hosts = header.count(http::field::host);
    if (hosts > 1 || (hosts == 0 && version >= 11) ||
        !std::ranges::all_of(header[http::field::host], is_of_host))
        throw refusal{http::status::bad_request, "this does not name one host"};
}

/// Answers one request, whose header was read or is bad.
template <class Stream>
class exchange {
public:
    exchange(Stream& client, beast::flat_buffer& buffer, request_parser& parser, patience left)
        : client_{client}
        , buffer_{buffer}
        , parser_{parser}
        , left_{left} {}

    /// False if the connection is to be closed.
    bool answer(const error_code& of_header) {
        std::optional<refusal> refused;
        try {
            if (of_header)
                throw refusal{http::status::bad_request, of_header.message()};
            check(parser_.get(), parser_.get().version());
            more_ = parser_.keep_alive();
            answer();
        } catch (const refusal& error) {
            refused = error;
            more_ = false;
        }
        if (refused && !begun_)
            say(refused->status, refused->what() + std::string{"\n"});
        return more_;
    }

private:
    void answer() {
        const auto& request = parser_.get();
        const std::string_view target{request.target().data(), request.target().size()};
        if (request.method() == http::verb::post && target == "/echo")
            return send_back();
        more_ = more_ && parser_.is_done(); // a body would be left unread
        const bool reads = is_head() || request.method() == http::verb::get;
        if (reads && target == "/")
            say(http::status::ok, "hello from miou\n");
        else if (const auto count = bytes_asked_for(target); reads && count)
            send_bytes(*count);
        else
            say(http::status::not_found, "there is nothing here\n");
    }

    bool is_head() const { return parser_.get().method() == http::verb::head; }

    template <class Body>
    http::response<Body> response(http::status status) const {
        http::response<Body> made{status, parser_.get().version()};
        made.keep_alive(more_);
        made.set(http::field::server, "miou");
        made.set(http::field::content_type, "text/plain");
        return made;
    }

    void say(http::status status, std::string text) {
        auto made = response<http::string_body>(status);
        made.body() = std::move(text);
        made.prepare_payload();
        http::response_serializer<http::string_body> serializer{made};
        send(serializer);
    }

    void send_bytes(std::uint64_t count) {
        auto made = response<http::buffer_body>(http::status::ok);
        made.content_length(count);
        stream_body(made, [&](const std::string& piece) {
            const auto size =
                static_cast<std::size_t>(std::min<std::uint64_t>(count, piece.size()));
            count -= size;
            return size;
        });
    }

    void send_back() {
        if (parser_.get().version() >= 11 &&
            beast::iequals(parser_.get()[http::field::expect], "100-continue")) {
            const http::response<http::empty_body> go_on{http::status::continue_, 11};
            left_.during([&] { return http::async_write(client_, go_on, use_fiber); });
        }
        auto made = response<http::buffer_body>(http::status::ok);
        if (parser_.chunked())
            made.chunked(true);
        else
            made.content_length(parser_.content_length().value_or(0));
        stream_body(made, [&](std::string& piece) { return read_body(piece); });
    }

    /// Reads a piece of the body. Returns its size, which is 0 at the end. Throws `refusal` if the
    /// body is malformed.
    std::size_t read_body(std::string& piece) {
        auto& body = parser_.get().body();
        body.data = piece.data();
        body.size = piece.size();
        error_code error;
        while (!parser_.is_done() && body.size == piece.size())
            left_.during([&] {
                const std::size_t got =
                    http::async_read_some(client_, buffer_, parser_, use_fiber[error]);
                require_body(error);
                return checked(got, error);
            });
        // Parses what has arrived already: an error can be answered only before the answer has
        // begun.
        for (error = {}; !error && !parser_.is_done() && buffer_.size() != 0;)
            buffer_.consume(parser_.put(buffer_.data(), error));
        require_body(error);
        return piece.size() - body.size;
    }

    static void require_body(const error_code& error) {
        if (is_of_http(error) && error != http::error::need_buffer &&
            error != http::error::need_more)
            throw refusal{http::status::bad_request, error.message()};
    }

    /// Sends a body piece by piece. `next` fills a piece and returns its size, which is 0 at the
    /// end.
    template <class Next>
    void stream_body(http::response<http::buffer_body>& made, Next next) {
        http::response_serializer<http::buffer_body> serializer{made};
        std::string piece(chunk, 'x');
        do {
            const std::size_t size = next(piece);
            made.body().data = size != 0 ? piece.data() : nullptr;
            made.body().size = size;
            made.body().more = size != 0;
            send(serializer);
        } while (!is_head() && !serializer.is_done());
    }

    /// Sends what there is of the answer, or for a HEAD only the header.
    template <class Body>
    void send(http::response_serializer<Body>& serializer) {
        begun_ = true;
        left_.during([&] {
            error_code error;
            const std::size_t sent =
                is_head() ? http::async_write_header(client_, serializer, use_fiber[error])
                          : http::async_write(client_, serializer, use_fiber[error]);
            return checked(sent, error);
        });
    }

    /// Returns `moved`, or throws `error`. `need_buffer` only asks for the next piece.
    static std::size_t checked(std::size_t moved, const error_code& error) {
        if (error && error != http::error::need_buffer)
            throw boost::system::system_error{error};
        return moved;
    }

    Stream& client_;
    beast::flat_buffer& buffer_;
    request_parser& parser_;
    patience left_;
    bool more_ = false;  // requests may follow
    bool begun_ = false; // a part of the answer has been sent
};

/// Reads the header of a request. Returns what is wrong with it, or `end_of_stream` if none came in
/// time.
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
    if (error && !is_of_http(error))
        throw boost::system::system_error{error};
    return error;
}

/// Answers requests until one side ends the connection.
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
        more = exchange{client, buffer, request, patience{idle_time}}.answer(error);
    }
}

/// Keeps the kernel from buffering much that a slow client has not taken, so progress is seen soon.
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
    error_code ignored; // many clients close without waiting for our shutdown
    with_timeout(chosen.idle_time, [&] { secure.async_shutdown(use_fiber[ignored]); });
} catch (const miou_unix::timed_out&) {
    // Resets the connection. Otherwise the kernel would keep what the client has not taken.
    socket.set_option(asio::socket_base::linger{true, 0});
    socket.close();
} catch (const boost::system::system_error& error) {
    if (error.code() !=
        asio::ssl::error::stream_truncated) // many clients close without a shutdown of TLS
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

  --idle=SECONDS   how long a client may take to send a request, and to send or receive each
                   64 KiB of a body (30)

MIOU_DOMAINS: threads beside the main one (hardware threads - 1).
)";

settings settings_of(int argc, char** argv) {
    const option options[] = {{"idle", required_argument, nullptr, 'i'}, {}};
    settings chosen;
    ::opterr = 0; // errors are reported below
    for (int found; (found = ::getopt_long(argc, argv, "", options, nullptr)) != -1;) {
        if (found != 'i')
            throw std::invalid_argument{std::string{"there is no option "} + argv[optind - 1] +
                                        ", or it lacks its value"};
        const auto seconds = number<double>(optarg);
        if (!seconds || !(*seconds > 0 && *seconds <= 1e9)) // this refuses NaN, too
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
