#include "support/certificate.hpp"

#include "support/child_program.hpp"

#include <stdexcept>

namespace test {

void make_certificate(const std::string& certificate, const std::string& key) {
    child_program openssl{{"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                           "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                           "-days", "2", "-subj", "/CN=localhost", "-addext",
                           "subjectAltName=IP:127.0.0.1"}};
    if (openssl.wait() != 0)
        throw std::runtime_error{"openssl: " + openssl.printed()};
}

} // namespace test
