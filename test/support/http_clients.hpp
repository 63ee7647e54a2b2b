// What the tests of `http_server`, a program of docs/, share.
#pragma once

#include "support/http_program.hpp"
#include "support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace test {

class http_server : public http_program {
public:
    /// `certificate_and_key`: it speaks TLS, unless they are empty.
    explicit http_server(const std::vector<std::string>& certificate_and_key = {},
                         std::vector<std::string> options = {});
};

/// A test whose clients trust the certificate of its servers.
class http_clients : public testing::Test {
protected:
    /// The arguments of a server over TLS. Makes them when they are first needed.
    std::vector<std::string> certificate_and_key() const;
    /// The arguments of a server for each of the two schemes.
    std::vector<std::vector<std::string>> plain_and_tls() const {
        return {{}, certificate_and_key()};
    }
    /// What it prints.
    std::string curl(const std::vector<std::string>& arguments) const;

    const temporary_folder folder;
    const std::string certificate = folder / "certificate.pem";
    const std::string key = folder / "key.pem";
    const std::string back = folder / "back"; // for what a client gets
};

} // namespace test
