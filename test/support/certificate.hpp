// What a TLS server shows.
#pragma once

#include <string>

namespace test {

/// Makes a key and a certificate that it signs itself, for localhost and 127.0.0.1, as PEM files.
/// The key is of an elliptic curve: handshakes cost little.
void make_certificate(const std::string& certificate, const std::string& key);

} // namespace test
