// docs/examples/http_server as its clients see it.

#include "support/http_clients.hpp"
#include "support/io.hpp"
#include "support/sanitized.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/socket.h>

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

using namespace std::chrono_literals;
using strings = std::vector<std::string>;
using test::output_of;

class http : public test::http_clients {
protected:
    /// A file to send. It is smaller under a sanitizer.
    std::string body() const {
        const std::string file = folder / "body";
        std::ofstream{file, std::ios::binary} << test::numbered_bytes{}.from(0, body_size);
        return file;
    }
    static constexpr std::size_t body_size = test::scaled(50'000'000, 5'000'000);
};

bool same(const std::string& a, const std::string& b) {
    std::ifstream first{a, std::ios::binary};
    std::ifstream second{b, std::ios::binary};
    return first && second && std::filesystem::file_size(a) == std::filesystem::file_size(b) &&
           std::equal(std::istreambuf_iterator<char>{first}, std::istreambuf_iterator<char>{},
                      std::istreambuf_iterator<char>{second});
}

TEST_F(http, curl_is_greeted_twice_on_one_connection) {
    test::http_server here;
    const auto connects = curl({"-o", back, "-w", "%{num_connects} %{http_code}\n", here.url("/"),
                                "-o", back, here.url("/")});
    EXPECT_EQ(connects, "1 200\n0 200\n");
    here.stop();
}

TEST_F(http, large_bodies_go_both_ways_in_constant_memory) {
    const std::string sent = body();
    test::http_server here;
    curl({"--data-binary", "@" + sent, "-o", back,
          here.url("/echo")}); // curl asks for 100-continue here
    EXPECT_TRUE(same(sent, back));
    EXPECT_EQ(curl({"-o", back, "-w", "%{size_download}",
                    here.url("/bytes/" + std::to_string(body_size))}),
              std::to_string(body_size));
    if (!TEST_SANITIZED) {
        EXPECT_LT(here.program().peak_memory(), std::size_t{40} << 20);
    }
    here.stop();
}

TEST_F(http, over_tls_curl_verifies_the_certificate_and_every_byte) {
    const std::string sent = body();
    test::http_server here{certificate_and_key()};
    expect_greeting_of(here);
    curl({"--data-binary", "@" + sent, "-o", back, here.url("/echo")});
    EXPECT_TRUE(same(sent, back));
    here.stop();
}

TEST_F(http, openssl_talks_to_it) {
    test::http_server here{certificate_and_key()};
    const std::string address = here.url("").substr(std::string{"https://"}.size());
    const std::string talk =
        output_of({"sh", "-c",
                   "printf 'GET / HTTP/1.1\\r\\nHost: here\\r\\nConnection: close\\r\\n\\r\\n' | "
                   "openssl s_client -quiet -ign_eof -verify_return_error -CAfile " +
                       certificate + " -connect " + address});
    EXPECT_NE(talk.find("hello from miou\n"), talk.npos) << talk;
    here.stop();
}

TEST_F(http, wrk_and_ab_see_no_error) {
    for (const strings& tls : plain_and_tls()) {
        test::http_server here{tls};
        const std::string wrk =
            output_of({"wrk", "-t", "1", "-c", "64", "-d", "1s", here.url("/bytes/1000")});
        EXPECT_TRUE(std::regex_search(wrk, std::regex{"[1-9][0-9]* requests in"})) << wrk;
        EXPECT_EQ(wrk.find("Socket errors"), wrk.npos) << wrk;
        EXPECT_EQ(wrk.find("Non-2xx"), wrk.npos) << wrk;

        // A handshake costs much more than a request, so there are fewer requests over TLS.
        const std::string requests =
            std::to_string(test::scaled(10'000, 1'000) / (tls.empty() ? 1 : 10));
        for (const strings& keep_alive : {strings{"-k"}, strings{}}) {
            strings command = test::joined({"ab", "-q", "-n", requests, "-c", "64"}, keep_alive);
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

/// Allows this process, and those that it starts, as many descriptors as the system permits.
void raise_descriptor_limit() {
    ::rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST_F(http, eight_thousand_connections_are_open_at_once) {
    constexpr std::size_t connections = test::scaled(8'000, 300);
    raise_descriptor_limit();
    test::http_server here;
    miou_unix::run({.domains = 0}, [&] {
        constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
        constexpr std::string_view greeting = "hello from miou\n";
        std::vector<miou_unix::file_descr> open;
        std::size_t greeted = 0;
        for (int round = 0; round < 2; ++round) { // in the second round all of them are open
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

TEST_F(http, unknown_paths_get_404_and_garbage_gets_400) {
    test::http_server here;
    EXPECT_EQ(curl({"-o", back, "-w", "%{http_code}", here.url("/nothing")}), "404");
    EXPECT_EQ(curl({"-o", back, "-w", "%{http_code}", here.url("/bytes/many")}), "404");
    miou_unix::run({.domains = 0}, [&] {
        EXPECT_TRUE(
            here.answer_to("this is not HTTP\r\n\r\n").starts_with("HTTP/1.1 400 Bad Request"));
    });
    here.stop();
}

/// How often `part` occurs in `text`.
std::size_t count(std::string_view text, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1))
        ++found;
    return found;
}

TEST_F(http, a_head_is_answered_as_a_get_is_without_the_body) {
    test::http_server here;
    EXPECT_EQ(curl({"-I", "-o", back, "-w", "%{num_connects} %{http_code}\n", here.url("/nothing"),
                    "-o", back, here.url("/bytes/1000"), "-o", back, here.url("/")}),
              "1 404\n0 200\n0 200\n");
    miou_unix::run({.domains = 0}, [&] {
        const std::string greeting = "hello from miou\n";
        for (const std::string& line : strings{"/ HTTP/1.1", "/bytes/100000 HTTP/1.1",
                                               "/nothing HTTP/1.1", "/bytes/0 HTTP/1.1"}) {
            const std::string rest = ' ' + line + "\r\nHost: here\r\n";
            const std::string get = "GET" + rest + "Connection: close\r\n\r\n";
            const std::string with_body = here.answer_to(get);
            const std::string header = with_body.substr(0, with_body.find("\r\n\r\n") + 4);
            EXPECT_EQ(here.answer_to("HEAD" + rest + "Connection: close\r\n\r\n"), header);
            // On one connection, the next answer begins directly after the header.
            const std::string both = here.answer_to("HEAD" + rest + "\r\n" + get);
            EXPECT_TRUE(both.ends_with("\r\n\r\n" + with_body)) << both;
            EXPECT_EQ(count(both, "HTTP/1.1 "), 2u) << both;
        }
        for (const std::string& refused :
             strings{"HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: here\r\nno colon\r\n\r\n",
                     "HEAD / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: gzip\r\n\r\n"})
            EXPECT_TRUE(here.answer_to(refused).ends_with("\r\n\r\n")) << refused;
    });
    here.stop();
}

/// Sends a request and then one for the greeting on the same connection. The greeting must follow a
/// success, and must not follow a refusal.
class refusals : public http {
protected:
    void expect(std::string_view status, const std::string& request) {
        const std::string answer =
            here.answer_to(request + "GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::string{status} + ' ') ||
                    answer.starts_with("HTTP/1.0 " + std::string{status} + ' '))
            << request << "is answered by\n"
            << answer;
        const bool goes_on = status == "200" && !request.ends_with("HTTP/1.0\r\n\r\n");
        EXPECT_EQ(count(answer, "HTTP/1."), goes_on ? 2u : 1u) << request << answer;
        EXPECT_EQ(count(answer, "Connection: close\r\n"), answer.starts_with("HTTP/1.1") ? 1u : 0u)
            << request << answer;
    }

    test::http_server here;
};

TEST_F(refusals, a_transfer_encoding_other_than_chunked_is_not_implemented) {
    miou_unix::run({.domains = 0}, [&] {
        for (const std::string& line : strings{"GET / HTTP/1.1", "POST /echo HTTP/1.1"})
            for (const std::string& encoding :
                 strings{"gzip", "identity", "gzip, chunked", "chunked, gzip", "chunked, chunked",
                         "xchunked", "chunked;q=1", "", "gzip\r\nTransfer-Encoding: chunked"})
                expect("501", line + "\r\nHost: here\r\nTransfer-Encoding: " + encoding +
                                  "\r\n\r\n0\r\n\r\n");
        expect("200", "POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: Chunked\r\n\r\n"
                      "3\r\nabc\r\n0\r\n\r\n");
    });
    here.stop();
}

TEST_F(refusals, a_body_whose_end_is_ambiguous_is_refused) {
    miou_unix::run({.domains = 0}, [&] {
        const std::string length = "Content-Length: 5\r\n";
        for (const std::string& coding : strings{"chunked", "gzip"}) {
            const std::string encoding = "Transfer-Encoding: " + coding + "\r\n";
            for (const std::string& both : {length + encoding, encoding + length})
                expect("400", "POST /echo HTTP/1.1\r\nHost: here\r\n" + both + "\r\n0\r\n\r\n");
            expect("400", "POST /echo HTTP/1.0\r\n" + encoding + "\r\n0\r\n\r\n");
        }
        for (const std::string& wrong :
             strings{"Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5, 6\r\n",
                     "Content-Length: -1\r\n", "Content-Length: +5\r\n", "Content-Length: 0x5\r\n",
                     "Content-Length: \r\n", "Content-Length : 5\r\n",
                     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"})
            expect("400", "POST /echo HTTP/1.1\r\nHost: here\r\n" + wrong + "\r\nhello");
    });
    here.stop();
}

TEST_F(refusals, a_request_must_name_exactly_one_host) {
    miou_unix::run({.domains = 0}, [&] {
        expect("400", "GET / HTTP/1.1\r\n\r\n");
        expect("400", "GET / HTTP/1.1\r\nHost: here\r\nHost: here\r\n\r\n");
        expect("400", "GET / HTTP/1.0\r\nHost: here\r\nHost: there\r\n\r\n");
        expect("400", "GET / HTTP/1.1\r\nHost: here there\r\n\r\n");
        expect("400", "GET / HTTP/1.1\r\nHost: here/there\r\n\r\n");
        expect("200", "GET / HTTP/1.0\r\n\r\n");
        for (const std::string& host : strings{"", "here:8080", "[::1]:80", "a-b.c_d~e%20"})
            expect("200", "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    });
    here.stop();
}

TEST_F(refusals, a_bad_chunk_is_refused) {
    miou_unix::run({.domains = 0}, [&] {
        for (const std::string& body :
             strings{"xyz\r\n", "-1\r\na\r\n", "\r\n", "3\r\nabcd\r\n0\r\n\r\n",
                     "ffffffffffffffffff\r\na", "3\r\nabc\r\nx\r\n", "3 4\r\nabc\r\n0\r\n\r\n"})
            expect("400",
                   "POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n" +
                       body);
    });
    here.stop();
    EXPECT_TRUE(here.complained_of_nothing());
}

TEST_F(http, a_bad_chunk_in_the_middle_ends_the_answer_without_its_last_chunk) {
    test::http_server here;
    miou_unix::run({.domains = 0}, [&] {
        const std::string good = "20000\r\n" + std::string(0x20000, 'a') + "\r\n";
        const auto f = here.connect();
        miou_unix::write(
            f, "POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n" + good);
        std::string begin(1000, '\0');
        miou_unix::really_read(f, begin);
        EXPECT_TRUE(begin.starts_with("HTTP/1.1 200 ")) << begin;
        miou_unix::write(f, "xyz\r\n");
        const std::string rest = test::read_to_end(f);
        EXPECT_FALSE(rest.ends_with("0\r\n\r\n"));
        EXPECT_EQ(rest.find("400"), rest.npos);
        miou_unix::close(f);
    });
    here.stop();
    EXPECT_TRUE(here.complained_of_nothing());
}

TEST_F(http, a_client_of_http_1_0_gets_neither_100_nor_chunks) {
    test::http_server here;
    miou_unix::run({.domains = 0}, [&] {
        const std::string rest = "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello";
        const std::string old = here.answer_to("POST /echo HTTP/1.0\r\n" + rest);
        EXPECT_TRUE(old.starts_with("HTTP/1.0 200 OK\r\n")) << old;
        EXPECT_TRUE(old.ends_with("\r\n\r\nhello")) << old;
        EXPECT_EQ(count(old, "Transfer-Encoding"), 0u) << old;
        const std::string host = "Host: here\r\nConnection: close\r\n";
        EXPECT_TRUE(here.answer_to("POST /echo HTTP/1.1\r\n" + host + rest)
                        .starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
        // Neither does a client whose body is not wanted.
        for (const std::string& line :
             strings{"POST /nothing HTTP/1.1\r\n", "POST /nothing HTTP/1.0\r\n"})
            EXPECT_EQ(here.answer_to(line + host + rest).substr(8, 5), " 404 ");
    });
    here.stop();
}

TEST_F(http, a_client_that_half_closes_after_the_request_gets_the_whole_answer) {
    test::http_server here;
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

TEST_F(http, a_stop_lets_the_request_in_flight_finish) {
    test::http_server here;
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

TEST_F(http, an_idle_server_uses_no_processor_time) {
    for (const strings& tls : plain_and_tls()) {
        test::http_server here{tls};
        miou_unix::run({.domains = 0}, [&] {
            std::vector<miou_unix::file_descr> idle;
            for (int i = 0; i < 8; ++i) {
                idle.push_back(here.connect());
                if (!tls.empty())
                    continue; // the server waits in the handshake
                miou_unix::write(idle.back(), "GET / HTTP/1.1\r\nHost: here\r\n\r\n");
                std::string answer(100, '\0');
                static_cast<void>(miou_unix::read(idle.back(), answer));
            }
            expect_greeting_of(here); // the idle connections were accepted before this one
            EXPECT_LT(here.program().processor_time_in(1s), test::scaled(50, 500) * 1ms);
        });
        here.stop();
    }
}

TEST_F(http, a_certificate_that_does_not_exist_is_named) {
    test::child_program program{test::command_of_program("http_server", {"0", certificate, key})};
    EXPECT_EQ(program.wait(), 1);
    EXPECT_TRUE(program.prints("http_server: use_certificate_chain_file: No such file"))
        << program.printed();
}

TEST(http_server, refuses_options_that_make_no_sense) {
    for (const strings& arguments :
         {strings{}, strings{"x"}, strings{"99999"}, strings{"0", "certificate"},
          strings{"--idle=0", "0"}, strings{"--idle=-1", "0"}, strings{"--idle=nan", "0"},
          strings{"--idle=1s", "0"}, strings{"--idle=", "0"}, strings{"--fast", "0"}}) {
        test::child_program program{test::command_of_program("http_server", arguments)};
        EXPECT_EQ(program.wait(), 2);
        EXPECT_TRUE(program.prints("Usage: http_server")) << program.printed();
    }
}

} // namespace
