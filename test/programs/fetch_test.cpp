// docs/examples/fetch: many URLs at a time, over HTTP and HTTPS.

#include "support/http_clients.hpp"
#include "support/io.hpp"

#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>

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

TEST_F(fetch, waits_for_the_answer_whatever_a_server_says_before) {
    const auto lines_for = [&](const std::string& answer, int status) {
        return miou_unix::run({.domains = 0}, [&] {
            const auto listening = test::listen_on_loopback();
            const std::string address =
                "http://127.0.0.1:" + std::to_string(miou_unix::getsockname(listening).port());
            test::child_program client{command({"--timeout=200", address})};
            const auto f = miou_unix::accept(listening).first;
            miou_unix::write(f, answer);
            miou_unix::shutdown(f, SHUT_WR);
            test::read_to_end(f);
            EXPECT_EQ(client.wait(), status) << client.printed();
            miou_unix::close(f);
            miou_unix::close(listening);
            return client.printed();
        });
    };
    const std::string early = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";
    const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    for (const std::string& before : {go_on, early, go_on + early + early + go_on})
        EXPECT_NE(lines_for(before + answer, 0).find("200         5  "), std::string::npos);
    EXPECT_NE(lines_for(early, 1).find("failed"), std::string::npos);
    EXPECT_NE(
        lines_for("HTTP/1.1 101 Switching Protocols\r\n\r\n" + answer, 1).find("101         0"),
        std::string::npos);
}

TEST_F(fetch, does_not_wait_for_a_name_longer_than_the_time_out) {
    const test::deadline end;
    test::child_program client{test::without_names(command({"--timeout=1", "http://somewhere/"}))};
    EXPECT_EQ(client.wait(), 1);
    EXPECT_TRUE(client.prints("http://somewhere/: miou_unix::with_timeout")) << client.printed();
    EXPECT_FALSE(end.has_passed());
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
