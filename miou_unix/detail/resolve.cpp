#include "miou_unix/resolve.hpp"

#include "miou_unix/blocking.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace miou_unix {
namespace {

constexpr const char* resolve_name = "miou_unix::resolve";

// The limits of the system itself.
constexpr std::size_t longest_host = NI_MAXHOST - 1;
constexpr std::size_t longest_service = NI_MAXSERV - 1;

/// Whether `host` is no name: names in DNS have no colon, and no top-level domain of digits.
bool is_number(std::string_view host) {
    return host.find(':') != std::string_view::npos ||
           host.find_first_not_of("0123456789.") == std::string_view::npos;
}

/// Whether `service` is no name: each name of a service has a letter.
bool is_port(std::string_view service) {
    return std::ranges::none_of(service, [](unsigned char each) {
        return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') || each > 0x7f;
    });
}

/// Whether `service` is a number that fits. The system also takes signs and spaces, and the low
/// bits of a number that is too large.
bool is_valid_port(std::string_view service) {
    std::uint16_t port = 0;
    const char* const end = service.data() + service.size();
    const auto [stopped, error] = std::from_chars(service.data(), end, port);
    return error == std::errc{} && stopped == end;
}

/// `text` as a message quotes it.
std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 255; // of a name in DNS
    const char* const end = text.size() > longest ? "...\"" : "\"";
    return std::string{"\""}.append(text.substr(0, longest)).append(end);
}

/// One question to the system's resolver, and the answer.
struct question {
    std::string host;
    std::string service;
    std::vector<sockaddr> answer;
    int error = 0; // EAI_...
    int system_error = 0;

    void ask(int flags) {
        ::addrinfo hints{};
        hints.ai_family = AF_UNSPEC;
        hints.ai_socktype = SOCK_STREAM;
        hints.ai_flags = flags;
        ::addrinfo* found = nullptr;
        error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                              service.empty() ? nullptr : service.c_str(), &hints, &found);
        system_error = errno;
        if (error != 0)
            return;
        const std::unique_ptr<::addrinfo, decltype(&::freeaddrinfo)> owned{found, &::freeaddrinfo};
        for (const ::addrinfo* each = found; each != nullptr; each = each->ai_next)
            answer.emplace_back(each->ai_addr, each->ai_addrlen);
    }
};

boost::system::error_code code_of(const question& failed) {
    namespace error = boost::asio::error;
    switch (failed.error) {
    case EAI_AGAIN:
        return error::host_not_found_try_again;
    case EAI_NONAME:
        return error::host_not_found;
    case EAI_FAIL:
        return error::no_recovery;
    case EAI_MEMORY:
        return error::no_memory;
    case EAI_SERVICE:
        return error::service_not_found;
    case EAI_SYSTEM:
        return {failed.system_error, boost::system::system_category()};
    default: // EAI_NODATA, EAI_ADDRFAMILY: GNU's
        return error::no_data;
    }
}

} // namespace

std::vector<sockaddr> resolve(std::string_view host, std::string_view service) {
    if (host.find('\0') != std::string_view::npos || service.find('\0') != std::string_view::npos)
        throw std::invalid_argument{std::string{resolve_name} + ": a name contains a NUL"};
    if (host.empty() && service.empty())
        throw std::invalid_argument{std::string{resolve_name} + ": neither a host nor a service"};
    const auto asked = std::make_shared<question>();
    if (host.size() > longest_host) {
        asked->error = EAI_NONAME;
    } else if (service.size() > longest_service ||
               (!service.empty() && is_port(service) && !is_valid_port(service))) {
        asked->error = EAI_SERVICE;
    } else {
        asked->host = host;
        asked->service = service;
        asked->ask(AI_NUMERICHOST | AI_NUMERICSERV);
        if (asked->error != 0 && !(is_number(host) && is_port(service)))
            detail::ask_on_worker(
                [asked, flags = is_number(host) ? AI_NUMERICHOST : 0] { asked->ask(flags); },
                resolve_name);
    }
    if (asked->error != 0)
        throw boost::system::system_error{code_of(*asked), std::string{resolve_name} + ": host " +
                                                               quoted(host) + ", service " +
                                                               quoted(service)};
    return std::move(asked->answer);
}

} // namespace miou_unix
