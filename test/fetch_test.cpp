// The program `fetch` of docs/: many URLs at a time over HTTP and HTTPS.

#include "support/http_clients.hpp"
#include "support/io.hpp"

#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using strings = std::vector<std::string>;

class fetch : public test::http_clients {
protected:
    static strings command(const strings& arguments) {
        return test::command_of_program("fetch", arguments);
    }
};

TEST_F(fetch, gets_many_urls_in_parallel_and_shows_how_far_it_is) {
    test::http_server here{certificate_and_key()};
    strings arguments{"--ca=" + certificate};
    for (int i = 0; i < 100; ++i)
        arguments.push_back(here.url("/bytes/" + std::to_string(i * i * 50)));
    test::child_program client{command(arguments)};
    EXPECT_EQ(client.wait(), 0) << client.printed();
    EXPECT_TRUE(client.prints("\r100 of 100\n"));
    for (int i = 0; i < 100; ++i) {
        const std::string size = std::to_string(i * i * 50);
        EXPECT_TRUE(client.prints(" " + size + "  " + here.url("/bytes/" + size) + "\n"));
    }
    here.stop();
}

TEST_F(fetch, says_for_each_url_what_failed_and_gets_the_others) {
    test::http_server here{certificate_and_key()};
    const auto silent = test::listen_on_loopback();
    const std::string port = std::to_string(miou_unix::getsockname(silent).port());
    test::child_program client{
        command({"--ca=" + certificate, "--timeout=5", here.url("/"), here.url("/nothing"),
                 "http://127.0.0.1:" + port + "/", "ftp://127.0.0.1/", "http://[::1/",
                 "http://127.0.0.1:x/", "https://127.0.0.1:" + port + "/"})};
    EXPECT_EQ(client.wait(), 1);
    for (const std::string& line :
         strings{"200        16  " + here.url("/"), "404        22  " + here.url("/nothing"),
                 "http://127.0.0.1:" + port + "/: miou_unix::with_timeout",
                 "https://127.0.0.1:" + port + "/: miou_unix::with_timeout",
                 "ftp://127.0.0.1/: this is not http[s]://HOST[:PORT][/PATH]",
                 "http://[::1/: this is not",
                 "http://127.0.0.1:x/: miou_unix::resolve: host \"127.0.0.1\", service \"x\""})
        EXPECT_TRUE(client.prints(line)) << line << " is not in\n" << client.printed();
    here.stop();
}

TEST_F(fetch, trusts_no_certificate_that_nobody_vouches_for) {
    test::http_server here{certificate_and_key()};
    test::child_program client{command({here.url("/")})};
    EXPECT_EQ(client.wait(), 1);
    EXPECT_TRUE(client.prints("certificate verify failed")) << client.printed();
    here.stop();
}

TEST_F(fetch, refuses_options_that_make_no_sense) {
    for (const strings& arguments :
         {strings{}, strings{"--timeout=nan", "http://a/"}, strings{"--timeout=-1", "http://a/"},
          strings{"--at-once=0", "http://a/"}, strings{"--fast", "http://a/"}}) {
        test::child_program client{command(arguments)};
        EXPECT_EQ(client.wait(), 2);
        EXPECT_TRUE(client.prints("Usage: fetch")) << client.printed();
    }
}

} // namespace
