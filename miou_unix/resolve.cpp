#include "miou_unix/resolve.hpp"

#include "miou_unix/blocking_call.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <netdb.h>

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>

namespace miou_unix {
namespace {

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
    constexpr const char* caller = "miou_unix::resolve";
    if (host.find('\0') != host.npos || service.find('\0') != service.npos)
        throw std::invalid_argument{std::string{caller} + ": a name contains a NUL"};
    if (host.empty() && service.empty())
        throw std::invalid_argument{std::string{caller} + ": neither a host nor a service"};
    const auto asked = std::make_shared<question>();
    asked->host = host;
    asked->service = service;
    asked->ask(AI_NUMERICHOST | AI_NUMERICSERV);
    if (asked->error != 0)
        detail::run_on_worker_detached([asked] { asked->ask(0); }, caller);
    if (asked->error != 0)
        throw boost::system::system_error{code_of(*asked), std::string{caller} + ": host \"" +
                                                               asked->host + "\", service \"" +
                                                               asked->service + "\""};
    return std::move(asked->answer);
}

} // namespace miou_unix
