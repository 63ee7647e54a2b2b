// Fetches many URLs at the same time, over HTTP and HTTPS. Each has a time-out. It shows its
// progress.
//
//     fetch https://example.org/ http://127.0.0.1:8080/bytes/1000000
//     200      1256  https://example.org/
//     200   1000000  http://127.0.0.1:8080/bytes/1000000
//
//     main -- miou_unix::run -- fetch_all -- a worker, which fetches one URL after another
//                                        +-- a worker, ...

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using boost::system::error_code;
using miou_unix::use_fiber;
using tcp = asio::ip::tcp;
using socket_type = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;

struct url {
    bool secure;
    std::string host; // without the brackets of an IPv6 address
    std::string port;
    std::string target;
    std::string authority; // as it is in the URL
};

url parse(std::string_view text) {
    const auto refuse = [] {
        throw std::invalid_argument{"this is not http[s]://HOST[:PORT][/PATH]"};
    };
    url made{};
    made.secure = text.starts_with("https://");
    if (!made.secure && !text.starts_with("http://"))
        refuse();
    text.remove_prefix(made.secure ? 8 : 7);
    const std::string_view authority = text.substr(0, text.find_first_of("/?#"));
    text.remove_prefix(authority.size());
    made.target = text.substr(0, text.find('#'));
    if (!made.target.starts_with('/'))
        made.target.insert(0, 1, '/');

    const bool bracketed = authority.starts_with('[');
    const std::size_t end = bracketed ? authority.find(']') : authority.find(':');
    made.host = authority.substr(bracketed, end - bracketed);
    std::string_view rest = end < authority.size() ? authority.substr(end + bracketed) : "";
    made.port = made.secure ? "443" : "80";
    if (rest.starts_with(':'))
        made.port = rest.substr(1);
    const bool printable = std::ranges::all_of(made.host + made.port + made.target,
                                               [](unsigned char c) { return c > ' ' && c < 127; });
    if (made.host.empty() || made.port.empty() || !printable ||
        (!rest.empty() && !rest.starts_with(':')) || (bracketed && end == authority.npos) ||
        authority.find('@') != authority.npos)
        refuse();
    made.authority = authority;
    return made;
}

/// What became of a URL.
struct outcome {
    unsigned status = 0; // of HTTP; 0 if there was no answer
    std::uint64_t size = 0;
    std::string failure = {};
};

/// Whether the final answer is still to come. 101 changes the protocol, which we have not asked
/// for, so it is final.
bool is_interim(unsigned status) {
    return status / 100 == 1 && status != 101;
}

/// Sends one request and counts the body of the answer, in constant memory.
template <class Stream>
outcome get(Stream& server, const url& from) {
    http::request<http::empty_body> request{http::verb::get, from.target, 11};
    request.set(http::field::host, from.authority);
    request.set(http::field::user_agent, "miou");
    request.keep_alive(false);
    http::async_write(server, request, use_fiber);

    beast::flat_buffer buffer;
    std::optional<http::response_parser<http::buffer_body>> response;
    do { // a server may send any number of interim answers
        response.emplace().body_limit(boost::none);
        http::async_read_header(server, buffer, *response, use_fiber);
    } while (is_interim(response->get().result_int()));
    outcome made{.status = response->get().result_int()};
    std::string piece(64 * 1024, '\0');
    while (!response->is_done()) {
        auto& body = response->get().body();
        body.data = piece.data();
        body.size = piece.size();
        error_code error;
        http::async_read_some(server, buffer, *response, use_fiber[error]);
        if (error && error != http::error::need_buffer) // `need_buffer` asks for the next piece
            throw boost::system::system_error{error, "the body"};
        made.size += piece.size() - body.size;
    }
    return made;
}

outcome get(const url& from, ssl::context& tls) {
    auto connected = miou_unix::connect(from.host, from.port);
    const int family = miou_unix::getsockname(connected).family();
    socket_type socket{miou_unix::executor()};
    socket.assign(family == AF_INET6 ? tcp::v6() : tcp::v4(), connected.release());
    if (!from.secure)
        return get(socket, from);

    ssl::stream<socket_type> secure{std::move(socket), tls};
    // The server name extension of TLS takes no addresses.
    error_code not_an_address;
    asio::ip::make_address(from.host, not_an_address);
    if (not_an_address)
        SSL_set_tlsext_host_name(secure.native_handle(), from.host.c_str());
    secure.set_verify_callback(ssl::host_name_verification{from.host});
    secure.async_handshake(ssl::stream_base::client, use_fiber);
    const outcome made = get(secure, from);
    error_code ignored; // the answer is complete; a bad shutdown does no harm
    secure.async_shutdown(use_fiber[ignored]);
    return made;
}

struct options {
    double timeout = 30;
    std::size_t at_once = 16;
    std::string authorities; // a file; if empty, the system has them
    std::vector<std::string> urls;
};

outcome fetch(const std::string& text, const options& chosen, ssl::context& tls) try {
    const url from = parse(text);
    return miou_unix::with_timeout(std::chrono::duration<double>{chosen.timeout},
                                   [&] { return get(from, tls); });
} catch (const miou::cancelled&) {
    throw;
} catch (const std::exception& error) {
    return {.failure = error.what()};
}

std::vector<outcome> fetch_all(const options& chosen) {
    ssl::context tls{ssl::context::tls_client};
    tls.set_verify_mode(ssl::verify_peer);
    if (chosen.authorities.empty())
        tls.set_default_verify_paths();
    else
        tls.load_verify_file(chosen.authorities);

    // All workers run on this domain, so what they share needs no lock.
    std::vector<outcome> outcomes(chosen.urls.size());
    std::size_t begun = 0;
    std::size_t ended = 0;
    const auto work = [&] {
        while (begun < outcomes.size()) {
            const std::size_t mine = begun++;
            outcomes[mine] = fetch(chosen.urls[mine], chosen, tls);
            std::fprintf(stderr, "\r%zu of %zu", ++ended, outcomes.size());
        }
    };
    std::vector<miou::promise<void>> workers;
    for (std::size_t i = 0; i < std::min(chosen.at_once, outcomes.size()); ++i)
        workers.push_back(miou::async(work));
    for (const auto& worker : miou::await_all(workers))
        worker.value();
    std::fputc('\n', stderr);
    return outcomes;
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
    for (int i = 1; i < argc; ++i) {
        const std::string text = argv[i];
        const auto is = [&](std::string_view name) { return text.starts_with(name); };
        const std::string value = text.substr(std::min(text.find('=') + 1, text.size()));
        if (is("--timeout="))
            chosen.timeout = number("--timeout=", value, 0);
        else if (is("--at-once="))
            chosen.at_once =
                static_cast<std::size_t>(std::min(1e6, number("--at-once=", value, 1)));
        else if (is("--ca="))
            chosen.authorities = value;
        else if (is("-"))
            throw std::invalid_argument{"there is no option " + text};
        else
            chosen.urls.push_back(text);
    }
    if (chosen.urls.empty())
        throw std::invalid_argument{"there is no URL"};
    return chosen;
}

bool print(const std::vector<std::string>& urls, const std::vector<outcome>& outcomes) {
    bool all_well = true;
    for (std::size_t i = 0; i < urls.size(); ++i) {
        const outcome& each = outcomes[i];
        if (each.failure.empty())
            std::printf("%u %9ju  %s\n", each.status, std::uintmax_t{each.size}, urls[i].c_str());
        else
            std::printf("failed         %s: %s\n", urls[i].c_str(), each.failure.c_str());
        all_well = all_well && each.status >= 200 && each.status < 400;
    }
    return all_well;
}

} // namespace

int main(int argc, char** argv) try {
    const options chosen = options_of(argc, argv);
    miou_unix::run({.domains = 0}, [&] {
        if (print(chosen.urls, fetch_all(chosen)))
            return;
        // Returning would wait for the system's resolver. It cannot be interrupted, and may still
        // look up a name that has timed out.
        std::fflush(stdout);
        std::_Exit(EXIT_FAILURE);
    });
} catch (const std::invalid_argument& error) {
    std::fprintf(stderr,
                 "fetch: %s\n"
                 "Usage: fetch [--timeout=SECONDS] [--at-once=N] [--ca=FILE] URL...\n"
                 "Fetches each URL (30 s, 16 at once) and prints its status and its size.\n"
                 "--ca: who may sign certificates, a PEM file (those of the system).\n",
                 error.what());
    return 2;
} catch (const std::exception& error) {
    std::fprintf(stderr, "fetch: %s\n", error.what());
    return EXIT_FAILURE;
}
