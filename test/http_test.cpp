// The HTTP server of docs/, as its clients see it.

#include "support/certificate.hpp"
#include "support/domains.hpp"
#include "support/echo_server.hpp"
#include "support/http_program.hpp"
#include "support/io.hpp"
#include "support/sanitized.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using strings = std::vector<std::string>;
using test::output_of;

/// A folder of its own with a certificate for 127.0.0.1 and a body to send.
class http : public testing::Test {
protected:
    http() {
        fs::create_directories(folder);
        std::ofstream{body, std::ios::binary} << test::numbered_bytes{}.from(0, body_size);
    }
    ~http() override { fs::remove_all(folder); }

    std::string curl(strings arguments) {
        arguments.insert(arguments.begin(),
                         {"curl", "-sS", "--max-time", "120", "--cacert", certificate});
        return output_of(arguments);
    }
    /// The server's arguments for each scheme that it speaks.
    std::vector<strings> plain_and_tls() {
        test::make_certificate(certificate, key);
        return {{}, {certificate, key}};
    }

    static constexpr std::size_t body_size = test::scaled(100'000'000, 5'000'000);
    const fs::path folder = fs::temp_directory_path() / ("miou_http_" + std::to_string(::getpid()));
    const std::string body = folder / "body";
    const std::string back = folder / "back";
    const std::string certificate = folder / "certificate.pem";
    const std::string key = folder / "key.pem";
};

/// A program of docs/ with these arguments.
strings program_of(const std::string& name, strings arguments) {
    arguments.insert(arguments.begin(), test::program_of_docs(name));
    return arguments;
}

struct server : test::http_program {
    /// `tls`: a certificate and its key.
    explicit server(const strings& tls = {}, strings options = {})
        : http_program{"http_server", joined(std::move(options), tls),
                       tls.empty() ? "http" : "https"} {}

private:
    static strings joined(strings first, const strings& second) {
        first.insert(first.end(), second.begin(), second.end());
        return first;
    }
};

bool same(const std::string& a, const std::string& b) {
    std::ifstream first{a, std::ios::binary};
    std::ifstream second{b, std::ios::binary};
    return first && second && fs::file_size(a) == fs::file_size(b) &&
           std::equal(std::istreambuf_iterator<char>{first}, std::istreambuf_iterator<char>{},
                      std::istreambuf_iterator<char>{second});
}

TEST_F(http, curl_is_greeted_twice_on_one_connection) {
    server here;
    const auto connects = curl({"-o", back, "-w", "%{num_connects} %{http_code}\n", here.url("/"),
                                "-o", back, here.url("/")});
    EXPECT_EQ(connects, "1 200\n0 200\n");
    here.stop();
}

TEST_F(http, large_bodies_go_both_ways_in_constant_memory) {
    server here;
    curl({"--data-binary", "@" + body, "-o", back, here.url("/echo")}); // 100-continue, too
    EXPECT_TRUE(same(body, back));
    EXPECT_EQ(curl({"-o", back, "-w", "%{size_download}",
                    here.url("/bytes/" + std::to_string(body_size))}),
              std::to_string(body_size));
    if (!TEST_SANITIZED) {
        EXPECT_LT(here.program().peak_memory(), std::size_t{40} << 20);
    }
    here.stop();
}

TEST_F(http, what_it_does_not_have_and_what_is_no_http_are_said) {
    server here;
    EXPECT_EQ(curl({"-o", back, "-w", "%{http_code}", here.url("/nothing")}), "404");
    EXPECT_EQ(curl({"-o", back, "-w", "%{http_code}", here.url("/bytes/many")}), "404");
    miou_unix::run({.domains = 0}, [&] {
        const auto f = here.connect();
        miou_unix::write(f, "this is not HTTP\r\n\r\n");
        EXPECT_TRUE(test::read_to_end(f).starts_with("HTTP/1.1 400 Bad Request"));
        miou_unix::close(f);
    });
    here.stop();
}

TEST_F(http, headers_without_end_are_cut_off) {
    server here;
    miou_unix::run({.domains = 0}, [&] {
        const auto f = here.connect();
        const auto sender = miou::async([&] {
            miou_unix::write(f, "GET / HTTP/1.1\r\n");
            for (;;) // whatever the buffers hold, the end comes
                miou_unix::write(f, "x: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
        });
        // The server refuses, and closes with bytes unread: an answer or a reset.
        const auto outcome = miou::await(sender);
        EXPECT_TRUE(outcome.has_error());
        miou_unix::close(f);
    });
    EXPECT_EQ(curl({here.url("/")}), "hello from miou\n");
    here.stop();
}

TEST_F(http, over_tls_curl_verifies_the_certificate_and_every_byte) {
    test::make_certificate(certificate, key);
    server here{{certificate, key}};
    EXPECT_EQ(curl({here.url("/")}), "hello from miou\n");
    curl({"--data-binary", "@" + body, "-o", back, here.url("/echo")});
    EXPECT_TRUE(same(body, back));
    here.stop();
}

TEST_F(http, tls_garbage_harms_nobody) {
    test::make_certificate(certificate, key);
    server here{{certificate, key}};
    miou_unix::run({.domains = 0}, [&] {
        for (int i = 0; i < 20; ++i) {
            const auto f = here.connect();
            const std::string garbage = test::numbered_bytes{static_cast<unsigned>(i)}.from(0, 500);
            test::error_of([&] {
                miou_unix::write(f, garbage);
                test::read_to_end(f); // an alert or a reset, then the end
            });
            miou_unix::close(f);
        }
    });
    EXPECT_EQ(curl({here.url("/")}), "hello from miou\n");
    here.stop();
}

/// Sends one byte after the other, slowly and for ever.
[[noreturn]] void dribble(const miou_unix::file_descr& f) {
    for (;;) {
        miou_unix::write(f, "a");
        miou_unix::sleep(0.02);
    }
}

/// More than any buffer on the way holds.
const std::string endless = "GET /bytes/1000000000000 HTTP/1.1\r\nHost: here\r\n\r\n";
const std::string upload =
    "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000000000\r\n\r\n";

TEST_F(http, clients_that_stall_are_cut_off_and_the_others_are_served) {
    constexpr std::size_t clients = test::scaled(400, 40);
    for (const strings& tls : plain_and_tls()) {
        server here{tls, {"--idle=1"}};
        const std::size_t before = here.program().open_descriptors();
        const strings beginnings = tls.empty() ? strings{"GET / HTTP/1.1\r\nx: ", upload}
                                               : strings{"\x16\x03\x01\x02"}; // of a ClientHello
        miou_unix::run({.domains = 0}, [&] {
            std::vector<miou_unix::file_descr> silent;
            std::vector<miou_unix::file_descr> never_reading;
            std::vector<miou::promise<void>> dribbling;
            for (std::size_t i = 0; i < clients; ++i) {
                const auto f = here.connect();
                if (const std::size_t kind = i % (beginnings.size() + 2);
                    kind < beginnings.size()) {
                    miou_unix::write(f, beginnings[kind]);
                    dribbling.push_back(miou::async([f] { dribble(f); }));
                } else if (kind == beginnings.size() && tls.empty()) {
                    miou_unix::write(f, endless);
                    never_reading.push_back(f);
                } else {
                    silent.push_back(f);
                }
            }
            for (int i = 0; i < 5; ++i) {
                const std::string seconds =
                    curl({"-o", back, "-w", "%{time_total}", here.url("/")});
                EXPECT_LT(std::stod(seconds), 5.0);
                miou::yield();
            }
            for (const auto& outcome : miou::await_all(dribbling)) // the server has closed it
                EXPECT_NE(test::error_in(outcome), boost::system::error_code{});
            for (const auto& f : silent) // its end, or a reset in the handshake
                test::error_of([&] { EXPECT_EQ(test::read_to_end(f), ""); });
            EXPECT_TRUE(here.program().comes_down_to(before));
            for (const auto& f : never_reading)
                EXPECT_EQ(test::error_of([&] { test::read_to_end(f); }),
                          boost::system::errc::connection_reset);
        });
        if (!TEST_SANITIZED) {
            EXPECT_LT(here.program().peak_memory(), std::size_t{100} << 20);
        }
        here.stop();
        EXPECT_TRUE(here.complained_of_nothing());
    }
}

TEST_F(http, over_tls_who_stops_to_read_is_cut_off) {
    test::make_certificate(certificate, key);
    server here{{certificate, key}, {"--idle=1"}};
    const std::size_t before = here.program().open_descriptors();
    test::child_program client{{"/usr/bin/env", "curl", "-sS", "--cacert", certificate, "-D", "-",
                                "-o", "/dev/null", here.url("/bytes/1000000000000")}};
    EXPECT_TRUE(client.prints("200 OK"));
    client.send(SIGSTOP);
    EXPECT_TRUE(here.program().comes_down_to(before));
    here.stop();
    EXPECT_TRUE(here.complained_of_nothing());
}

TEST_F(http, a_slow_line_has_the_time_that_it_needs) {
    server here{{}, {"--idle=1"}};
    miou_unix::run({.domains = 0}, [&] {
        const auto f = here.connect();
        miou_unix::write(f,
                         "GET /bytes/10000000 HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        std::size_t got = 0;
        char piece[30'000];
        for (const test::deadline slow{3s}; !slow.has_passed(); miou_unix::sleep(0.1))
            got += miou_unix::read(f, piece);
        got += test::read_to_end(f).size();
        EXPECT_GE(got, 10'000'000u);
        miou_unix::close(f);
    });
    here.stop();
    EXPECT_TRUE(here.complained_of_nothing());
}

TEST_F(http, who_half_closes_after_the_request_gets_the_whole_answer) {
    server here;
    miou_unix::run({.domains = 0}, [&] {
        const std::string sent = test::numbered_bytes{}.from(0, 5'000'000);
        for (const std::string& request :
             {std::string{"GET /bytes/5000000 HTTP/1.1\r\nHost: here\r\n\r\n"},
              "POST /echo HTTP/1.0\r\nContent-Length: 5000000\r\n\r\n" + sent}) {
            const auto f = here.connect();
            const auto client = miou::async([&] {
                miou_unix::write(f, request);
                miou_unix::shutdown(f, SHUT_WR);
            });
            const std::string answer = test::read_to_end(f);
            miou::await_exn(client);
            EXPECT_TRUE(
                answer.ends_with(request.ends_with(sent) ? sent : std::string(sent.size(), 'x')));
            miou_unix::close(f);
        }
    });
    here.stop();
    EXPECT_TRUE(here.complained_of_nothing());
}

TEST_F(http, resets_in_the_middle_leave_nothing) {
    server here;
    const std::size_t before = here.program().open_descriptors();
    miou_unix::run({.domains = 0}, [&] {
        for (int i = 0; i < test::scaled(100, 20); ++i) {
            const auto f = here.connect();
            miou_unix::write(f, i % 2 == 0 ? endless : upload);
            const std::string piece(static_cast<std::size_t>(1 + i * 500), 'x');
            if (i % 2 != 0)
                miou_unix::write(f, piece);
            std::string some(100, '\0'); // of the answer: the server is in the middle of it
            miou_unix::really_read(f, some);
            test::reset(f);
        }
    });
    EXPECT_EQ(curl({here.url("/")}), "hello from miou\n");
    EXPECT_TRUE(here.program().comes_down_to(before));
    here.stop();
    EXPECT_TRUE(here.complained_of_nothing());
}

TEST_F(http, an_idle_server_uses_no_processor_time) {
    for (const strings& tls : plain_and_tls()) {
        server here{tls};
        miou_unix::run({.domains = 0}, [&] {
            std::vector<miou_unix::file_descr> idle;
            for (int i = 0; i < 8; ++i) {
                idle.push_back(here.connect());
                if (!tls.empty())
                    continue; // waits in the handshake
                miou_unix::write(idle.back(), "GET / HTTP/1.1\r\nHost: here\r\n\r\n");
                std::string answer(100, '\0');
                miou_unix::read(idle.back(), answer);
            }
            EXPECT_EQ(curl({here.url("/")}), "hello from miou\n"); // all were accepted before
            EXPECT_LT(here.program().processor_time_in(1s), test::scaled(50, 500) * 1ms);
        });
        here.stop();
    }
}

TEST_F(http, a_stop_lets_the_request_in_flight_finish) {
    server here;
    miou_unix::run({.domains = 0}, [&] {
        const auto f = here.connect();
        miou_unix::write(f, "POST /echo HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
                            "Content-Length: 6\r\n\r\nfir");
        std::string got;
        char byte;
        while (got.find("fir") == got.npos && miou_unix::read(f, {&byte, 1}) == 1)
            got += byte;
        here.program().send(SIGTERM);
        miou_unix::write(f, "st.");
        got += test::read_to_end(f);
        EXPECT_NE(got.find("st."), got.npos) << got;
        miou_unix::close(f);
    });
    EXPECT_EQ(here.program().wait(), 0);
}

TEST_F(http, wrk_and_ab_see_no_error) {
    for (const strings& tls : plain_and_tls()) {
        server here{tls};
        const std::string wrk =
            output_of({"wrk", "-t", "1", "-c", "64", "-d", "1s", here.url("/bytes/1000")});
        EXPECT_TRUE(std::regex_search(wrk, std::regex{"[1-9][0-9]* requests in"})) << wrk;
        EXPECT_EQ(wrk.find("Socket errors"), wrk.npos) << wrk;
        EXPECT_EQ(wrk.find("Non-2xx"), wrk.npos) << wrk;

        // A handshake costs much more than a request.
        const std::string requests =
            std::to_string(test::scaled(10'000, 1'000) / (tls.empty() ? 1 : 10));
        for (const strings& keep_alive : {strings{"-k"}, strings{}}) {
            strings command{"ab", "-q", "-n", requests, "-c", "64"};
            command.insert(command.end(), keep_alive.begin(), keep_alive.end());
            command.push_back(here.url("/bytes/1000"));
            const std::string ab = output_of(command);
            EXPECT_TRUE(std::regex_search(ab, std::regex{"Complete requests: +" + requests + "\n"}))
                << ab;
            EXPECT_NE(ab.find("Failed requests:        0\n"), ab.npos) << ab;
            EXPECT_EQ(ab.find("Non-2xx"), ab.npos) << ab;
        }
        here.stop();
        EXPECT_TRUE(here.complained_of_nothing());
    }
}

TEST_F(http, openssl_talks_to_it) {
    test::make_certificate(certificate, key);
    server here{{certificate, key}};
    const std::string address = here.url("").substr(std::string{"https://"}.size());
    const std::string talk =
        output_of({"sh", "-c",
                   "printf 'GET / HTTP/1.1\\r\\nHost: here\\r\\nConnection: close\\r\\n\\r\\n' | "
                   "openssl s_client -quiet -ign_eof -verify_return_error -CAfile " +
                       certificate + " -connect " + address});
    EXPECT_NE(talk.find("hello from miou\n"), talk.npos) << talk;
    here.stop();
}

/// As many descriptors as the system allows, for this process and those that it starts.
void raise_descriptor_limit() {
    ::rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST_F(http, eight_thousand_connections_are_open_at_once) {
    constexpr std::size_t connections = test::scaled(8'000, 300);
    raise_descriptor_limit();
    server here;
    miou_unix::run({.domains = 0}, [&] {
        constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
        constexpr std::string_view greeting = "hello from miou\n";
        std::vector<miou_unix::file_descr> open;
        std::size_t greeted = 0;
        for (int round = 0; round < 2; ++round) { // the second time, all of them are open
            std::vector<miou::promise<void>> clients;
            for (std::size_t i = 0; i < connections; ++i) {
                if (round == 0)
                    open.push_back(here.connect());
                clients.push_back(miou::async([&, f = open[i]] {
                    miou_unix::write(f, request);
                    std::string got;
                    char piece[512];
                    while (!got.ends_with(greeting)) {
                        const std::size_t size = miou_unix::read(f, piece);
                        ASSERT_NE(size, 0u) << got;
                        got.append(piece, size);
                    }
                    ++greeted;
                }));
            }
            for (const auto& client : miou::await_all(clients))
                client.value();
        }
        EXPECT_EQ(greeted, 2 * connections);
        for (const auto& f : open)
            miou_unix::close(f);
    });
    if (!TEST_SANITIZED) {
        EXPECT_LT(here.program().peak_memory(), std::size_t{200} << 20);
    }
    here.stop();
}

strings fetch(const strings& arguments) {
    return program_of("fetch", arguments);
}

TEST_F(http, fetch_gets_many_urls_in_parallel_and_shows_how_far_it_is) {
    test::make_certificate(certificate, key);
    server here{{certificate, key}};
    strings arguments{"--ca=" + certificate};
    for (int i = 0; i < 100; ++i)
        arguments.push_back(here.url("/bytes/" + std::to_string(i * i * 50)));
    test::child_program client{fetch(arguments)};
    EXPECT_EQ(client.wait(), 0) << client.printed();
    EXPECT_TRUE(client.prints("\r100 of 100\n"));
    for (int i = 0; i < 100; ++i) {
        const std::string size = std::to_string(i * i * 50);
        EXPECT_TRUE(client.prints(" " + size + "  " + here.url("/bytes/" + size) + "\n"));
    }
    here.stop();
}

TEST_F(http, fetch_says_for_each_url_what_failed_and_gets_the_others) {
    test::make_certificate(certificate, key);
    server here{{certificate, key}};
    const auto silent = test::listen_on_loopback();
    const std::string port = std::to_string(miou_unix::getsockname(silent).port());
    test::child_program client{
        fetch({"--ca=" + certificate, "--timeout=5", here.url("/"), here.url("/nothing"),
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

TEST_F(http, fetch_trusts_no_certificate_that_nobody_vouches_for) {
    test::make_certificate(certificate, key);
    server here{{certificate, key}};
    test::child_program client{fetch({here.url("/")})};
    EXPECT_EQ(client.wait(), 1);
    EXPECT_TRUE(client.prints("certificate verify failed")) << client.printed();
    here.stop();
}

TEST(http_server, refuses_options_that_make_no_sense) {
    for (const strings& arguments :
         {strings{}, strings{"x"}, strings{"99999"}, strings{"0", "certificate"},
          strings{"--idle=0", "0"}, strings{"--idle=-1", "0"}, strings{"--idle=nan", "0"},
          strings{"--idle=1s", "0"}, strings{"--idle=", "0"}, strings{"--fast", "0"}}) {
        test::child_program program{program_of("http_server", arguments)};
        EXPECT_EQ(program.wait(), 2);
        EXPECT_TRUE(program.prints("Usage: http_server")) << program.printed();
    }
}

TEST(fetch, refuses_options_that_make_no_sense) {
    for (const strings& arguments :
         {strings{}, strings{"--timeout=nan", "http://a/"}, strings{"--timeout=-1", "http://a/"},
          strings{"--at-once=0", "http://a/"}, strings{"--fast", "http://a/"}}) {
        test::child_program client{fetch(arguments)};
        EXPECT_EQ(client.wait(), 2);
        EXPECT_TRUE(client.prints("Usage: fetch")) << client.printed();
    }
}

TEST_F(http, a_certificate_that_does_not_exist_is_named) {
    test::child_program program{program_of("http_server", {"0", certificate, key})};
    EXPECT_EQ(program.wait(), 1);
    EXPECT_TRUE(program.prints("http_server: use_certificate_chain_file: No such file"))
        << program.printed();
}

} // namespace
