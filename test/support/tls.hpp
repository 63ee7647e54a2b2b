// TLS for clients and servers of a test.
#pragma once

#include "support/certificate.hpp"
#include "support/temporary_folder.hpp"

#include <boost/asio/ssl/context.hpp>

namespace test {

/// Has a self-signed certificate. It keeps no sessions, so its memory does not grow.
inline boost::asio::ssl::context& tls() {
    using boost::asio::ssl::context;
    static context made = [] {
        const temporary_folder folder;
        make_certificate(folder / "certificate.pem", folder / "key.pem");
        context both{context::tls};
        both.use_certificate_chain_file(folder / "certificate.pem");
        both.use_private_key_file(folder / "key.pem", context::pem);
        SSL_CTX_set_session_cache_mode(both.native_handle(), SSL_SESS_CACHE_OFF);
        return both;
    }();
    return made;
}

} // namespace test
