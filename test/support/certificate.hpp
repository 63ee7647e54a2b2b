// Certificates of TLS servers.
#pragma once

#include <string>

namespace test {

/// Makes a key and a self-signed certificate for localhost and 127.0.0.1, as PEM files. It is an
/// elliptic-curve key, which makes handshakes cheap.
void make_certificate(const std::string& certificate, const std::string& key);

} // namespace test
