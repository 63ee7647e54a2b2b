#include "support/http_clients.hpp"

#include "support/certificate.hpp"

#include <filesystem>
#include <utility>

namespace test {

using strings = std::vector<std::string>;

http_server::http_server(const strings& certificate_and_key, strings options)
    : http_program{"http_server", joined(std::move(options), certificate_and_key),
                   certificate_and_key.empty() ? "http" : "https"} {}

strings http_clients::certificate_and_key() const {
    if (!std::filesystem::exists(certificate))
        make_certificate(certificate, key);
    return {certificate, key};
}

std::string http_clients::curl(const strings& arguments) const {
    return output_of(
        joined({"curl", "-sS", "--max-time", "120", "--cacert", certificate}, arguments));
}

void http_clients::expect_greeting_of(const http_server& server) const {
    EXPECT_EQ(curl({server.url("/")}), "hello from miou\n");
}

} // namespace test
