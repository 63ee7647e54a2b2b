// docs/examples/http_server with hostile clients: its memory and time stay bounded, and other
// clients are served.

#include "support/http_clients.hpp"
#include "support/io.hpp"
#include "support/sanitized.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using strings = std::vector<std::string>;

class http_hostile : public test::http_clients {};

TEST_F(http_hostile, headers_without_end_are_cut_off) {
    test::http_server here;
    miou_unix::run({.domains = 0}, [&] {
        const auto f = here.connect();
        const auto sender = miou::async([&] {
            miou_unix::write(f, "GET / HTTP/1.1\r\n");
            for (;;) // ends when the server closes the connection
                miou_unix::write(f, "x: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
        });
        // The server refuses, and closes with bytes unread: the client sees an answer or a reset.
        const auto outcome = miou::await(sender);
        EXPECT_TRUE(outcome.has_error());
        miou_unix::close(f);
    });
    expect_greeting_of(here);
    here.stop();
}

TEST_F(http_hostile, tls_garbage_harms_no_other_client) {
    test::http_server here{certificate_and_key()};
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
    expect_greeting_of(here);
    here.stop();
}

/// Sends one byte after the other, slowly and without an end.
[[noreturn]] void dribble(const miou_unix::file_descr& f) {
    for (;;) {
        miou_unix::write(f, "a");
        miou_unix::sleep(0.02);
    }
}

/// Asks for more than all buffers on the way hold.
const std::string endless = "GET /bytes/1000000000000 HTTP/1.1\r\nHost: here\r\n\r\n";
const std::string upload =
    "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000000000\r\n\r\n";

TEST_F(http_hostile, clients_that_stall_are_cut_off_and_the_others_are_served) {
    constexpr std::size_t clients = test::scaled(400, 40);
    for (const strings& tls : plain_and_tls()) {
        test::http_server here{tls, {"--idle=1"}};
        const std::size_t before = here.program().open_descriptors();
        const strings beginnings = tls.empty()
                                       ? strings{"GET / HTTP/1.1\r\nx: ", upload}
                                       : strings{"\x16\x03\x01\x02"}; // the start of a ClientHello
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
            for (const auto& outcome :
                 miou::await_all(dribbling)) // ended because the server has closed the connection
                EXPECT_NE(test::error_in(outcome), boost::system::error_code{});
            for (const auto& f : silent) // the end, or a reset in the handshake
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

TEST_F(http_hostile, a_tls_client_that_stops_reading_is_cut_off) {
    test::http_server here{certificate_and_key(), {"--idle=1"}};
    const std::size_t before = here.program().open_descriptors();
    test::child_program client{{"curl", "-sS", "--cacert", certificate, "-D", "-", "-o",
                                "/dev/null", here.url("/bytes/1000000000000")}};
    EXPECT_TRUE(client.prints("200 OK"));
    client.send(SIGSTOP);
    EXPECT_TRUE(here.program().comes_down_to(before));
    here.stop();
    EXPECT_TRUE(here.complained_of_nothing());
}

TEST_F(http_hostile, a_slow_client_gets_the_time_that_it_needs) {
    test::http_server here{{}, {"--idle=1"}};
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

TEST_F(http_hostile, resets_in_the_middle_leave_nothing) {
    test::http_server here;
    const std::size_t before = here.program().open_descriptors();
    miou_unix::run({.domains = 0}, [&] {
        for (int i = 0; i < test::scaled(100, 20); ++i) {
            const auto f = here.connect();
            miou_unix::write(f, i % 2 == 0 ? endless : upload);
            const std::string piece(static_cast<std::size_t>(1 + i * 500), 'x');
            if (i % 2 != 0)
                miou_unix::write(f, piece);
            std::string some(100, '\0'); // a part of the answer: the server is in the middle of it
            miou_unix::really_read(f, some);
            test::reset(f);
        }
    });
    expect_greeting_of(here);
    EXPECT_TRUE(here.program().comes_down_to(before));
    here.stop();
    EXPECT_TRUE(here.complained_of_nothing());
}

} // namespace
