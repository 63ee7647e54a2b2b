// What the tests of docs/examples/http_server share.
#pragma once

#include "support/http_program.hpp"
#include "support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace test {

class http_server : public http_program {
public:
    /// It speaks TLS unless `certificate_and_key` is empty.
    explicit http_server(const std::vector<std::string>& certificate_and_key = {},
                         std::vector<std::string> options = {});
};

/// A test whose clients trust the certificate of its servers.
class http_clients : public testing::Test {
protected:
    /// The arguments of a server over TLS. Makes the two files at the first call.
    std::vector<std::string> certificate_and_key() const;
    /// The arguments of a plain server, and those of one over TLS.
    std::vector<std::vector<std::string>> plain_and_tls() const {
        return {{}, certificate_and_key()};
    }
    /// Runs curl, which must succeed, and returns what it prints.
    std::string curl(const std::vector<std::string>& arguments) const;
    /// Expects that `server` answers a request with its greeting.
    void expect_greeting_of(const http_server& server) const;

    const temporary_folder folder;
    const std::string certificate = folder / "certificate.pem";
    const std::string key = folder / "key.pem";
    const std::string back = folder / "back"; // where a client stores what it gets
};

} // namespace test
