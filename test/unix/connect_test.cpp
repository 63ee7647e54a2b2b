// Looking up names, and connecting to them.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/reactor.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <latch>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using miou_unix::resolve;
using miou_unix::sockaddr;
using test::domains;
using test::error_in;
using test::failed_with;
using test::on_reactor;
using addresses = std::vector<sockaddr>;
namespace errc = boost::system::errc;

TEST(resolve, numeric_addresses_are_answered_at_once) {
    on_reactor([] {
        const auto found = resolve("127.0.0.1", "80");
        ASSERT_EQ(found.size(), 1u);
        EXPECT_EQ(found[0].to_string(), "127.0.0.1:80");
        EXPECT_EQ(resolve("::1", "443").at(0).to_string(), "[::1]:443");
        EXPECT_EQ(resolve("127.0.0.1", "").at(0).port(), 0);
    });
}

TEST(resolve, finds_this_machine_and_the_ports_of_services) {
    on_reactor([] {
        for (const sockaddr& each : resolve("localhost", "80")) {
            EXPECT_TRUE(each.family() == AF_INET || each.family() == AF_INET6);
            EXPECT_EQ(each.port(), 80);
        }
        EXPECT_FALSE(resolve("", "80").empty());
    });
}

TEST(resolve, an_unknown_host_or_service_is_named) {
    on_reactor([] {
        const auto text =
            test::message_of<boost::system::system_error>([] { resolve("nowhere.invalid", "80"); });
        EXPECT_TRUE(test::contains(text, "\"nowhere.invalid\"")) << text;
        EXPECT_TRUE(test::contains(text, "\"80\"")) << text;
        EXPECT_EQ(test::error_of([] { resolve("127.0.0.1", "no such service"); }),
                  boost::asio::error::service_not_found);
    });
}

TEST(resolve, refuses_what_cannot_be_a_name) {
    on_reactor([] {
        EXPECT_THROW(resolve("", ""), std::invalid_argument);
        EXPECT_THROW(resolve(std::string_view{"local\0host", 10}, "80"), std::invalid_argument);
        EXPECT_TRUE(test::error_of([] { resolve(std::string(10'000, 'x'), "80"); }));
    });
}

TEST(resolve, needs_no_thread_for_numbers_and_for_names_that_are_too_long) {
    on_reactor([] {
        const std::size_t before = test::live_threads();
        resolve("127.0.0.1", "65535");
        for (const char* host : {"256.1.1.1", "1.2.3.4.5", "::1::", "fe80::1%no such link"})
            EXPECT_EQ(test::error_of([&] { resolve(host, "80"); }),
                      boost::asio::error::host_not_found)
                << host;
        for (const char* port : {"65536", "99999999999", "-1", "+80", " 80", "80 "})
            EXPECT_EQ(test::error_of([&] { resolve("localhost", port); }),
                      boost::asio::error::service_not_found)
                << port;
        const std::string huge(1'000'000, 'x');
        for (const auto& [host, service] :
             {std::pair{huge, std::string{"80"}}, {std::string{"localhost"}, huge}}) {
            const auto text = test::message_of<boost::system::system_error>(
                [&, host = host, service = service] { resolve(host, service); });
            EXPECT_LT(text.size(), 1000u);
            EXPECT_TRUE(test::contains(text, "xxx...")) << text;
        }
        EXPECT_EQ(test::live_threads(), before);
    });
}

TEST(resolve, does_not_wait_for_functions_that_compute) {
    miou_unix::run({.domains = domains(), .workers = 1}, [] {
        std::latch released{1};
        const auto computing = miou::async([&] { miou_unix::blocking([&] { released.wait(); }); });
        miou::yield();
        EXPECT_FALSE(resolve("localhost", "80").empty());
        released.count_down();
        miou::await_exn(computing);
    });
}

TEST(resolve, a_storm_of_cancellations_harms_nothing) {
    on_reactor([] {
        std::minstd_rand random{7};
        for (int i = 0; i < test::scaled(20'000, 1000); ++i) {
            const auto caller = test::anywhere([] { resolve("localhost", "80"); });
            for (auto steps = random() % 3; steps != 0; --steps)
                miou::yield();
            miou::cancel(caller);
        }
    });
}

/// An address that does not answer: the only place in its queue is taken.
class black_hole {
public:
    black_hole() { miou_unix::connect(taking_, address()); }
    ~black_hole() {
        miou_unix::close(taking_);
        miou_unix::close(listening_);
    }
    sockaddr address() const { return miou_unix::getsockname(listening_); }

private:
    const miou_unix::file_descr listening_ = test::listen_on_loopback(0);
    const miou_unix::file_descr taking_ = miou_unix::tcpv4();
};

/// An address that refuses connections.
sockaddr closed_port() {
    const auto listening = test::listen_on_loopback();
    const auto address = miou_unix::getsockname(listening);
    miou_unix::close(listening);
    return address;
}

bool is_connected(const miou_unix::file_descr& f, const miou_unix::file_descr& listening) {
    const auto [server, peer] = miou_unix::accept(listening);
    miou_unix::write(server, "x");
    char byte = 0;
    const bool got = miou_unix::read(f, {&byte, 1}) == 1 && byte == 'x';
    miou_unix::close(server);
    miou_unix::close(f);
    return got;
}

TEST(connect, a_refused_connection_wakes_its_task) { // Miou_unix test05
    miou_unix::run({.domains = domains()}, [] {
        const auto nobody = miou_unix::tcpv4();
        miou_unix::bind_and_listen({.reuseport = false}, nobody, test::loopback());
        const auto address = miou_unix::getsockname(nobody);
        miou_unix::close(nobody);
        const auto socket = miou_unix::tcpv4();
        const auto connect = miou::async([&] { miou_unix::connect(socket, address); });
        const auto timeout = miou::async([] { miou_unix::sleep(20); });
        EXPECT_EQ(error_in(miou::await_first({connect, timeout})), errc::connection_refused);
        miou_unix::close(socket);
    });
}

TEST(connect, by_name_and_service) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const auto port = std::to_string(miou_unix::getsockname(listening).port());
        EXPECT_TRUE(is_connected(miou_unix::connect("127.0.0.1", port), listening));
        EXPECT_TRUE(is_connected(miou_unix::connect("localhost", port), listening));
        miou_unix::close(listening);
    });
}

TEST(connect, tries_the_next_address_at_once_when_one_refuses) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const addresses tried{closed_port(), closed_port(), miou_unix::getsockname(listening)};
        const auto begun = miou_unix::clock::now();
        EXPECT_TRUE(is_connected(miou_unix::connect({.attempt_delay = 1h}, tried), listening));
        EXPECT_LT(miou_unix::clock::now() - begun, 1min);
        miou_unix::close(listening);
    });
}

TEST(connect, tries_the_next_address_after_the_delay_when_one_is_silent) {
    on_reactor([] {
        const std::size_t before = test::open_descriptors();
        {
            const black_hole silent;
            const auto listening = test::listen_on_loopback();
            const addresses tried{silent.address(), miou_unix::getsockname(listening)};
            EXPECT_TRUE(is_connected(miou_unix::connect({.attempt_delay = 5ms}, tried), listening));
            miou_unix::close(listening);
        }
        EXPECT_EQ(test::open_descriptors(), before);
    });
}

TEST(connect, a_silent_address_that_answers_late_still_wins) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const addresses tried{miou_unix::getsockname(listening), closed_port()};
        EXPECT_TRUE(is_connected(miou_unix::connect({.attempt_delay = 0s}, tried), listening));
        miou_unix::close(listening);
    });
}

TEST(connect, when_all_fail_each_is_named) {
    on_reactor([] {
        const addresses tried{closed_port(), closed_port()};
        EXPECT_EQ(test::error_of([&] { miou_unix::connect(tried); }),
                  boost::asio::error::connection_refused);
        const auto text =
            test::message_of<boost::system::system_error>([&] { miou_unix::connect(tried); });
        for (const sockaddr& each : tried)
            EXPECT_TRUE(test::contains(text, each.to_string() + " Connection refused")) << text;
    });
}

TEST(connect, refuses_an_empty_list_and_delays_that_make_no_sense) {
    on_reactor([] {
        EXPECT_THROW(miou_unix::connect(addresses{}), std::invalid_argument);
        for (const double bad : {-1.0, std::nan("")})
            EXPECT_THROW(miou_unix::connect({.attempt_delay = std::chrono::duration<double>{bad}},
                                            addresses{closed_port()}),
                         std::invalid_argument);
    });
}

TEST(connect, skips_an_address_without_a_family) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const addresses tried{sockaddr{}, miou_unix::getsockname(listening)};
        EXPECT_TRUE(is_connected(miou_unix::connect(tried), listening));
        miou_unix::close(listening);
    });
}

TEST(connect, a_cancelled_call_leaves_no_descriptor) {
    on_reactor([] {
        const black_hole silent;
        const auto listening = test::listen_on_loopback(4096);
        const addresses tried{silent.address(), miou_unix::getsockname(listening)};
        const std::size_t before = test::open_descriptors();
        std::minstd_rand random{7};
        for (int i = 0; i < test::scaled(2000, 200); ++i) {
            const auto caller = miou::async([&] {
                miou_unix::connect({.attempt_delay = std::chrono::microseconds{50}}, tried);
            });
            for (auto steps = random() % 6; steps != 0; --steps)
                miou::yield();
            miou::cancel(caller);
        }
        EXPECT_EQ(test::open_descriptors(), before);
        miou_unix::close(listening);
    });
}

TEST(connect, says_which_address_has_won) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const auto address = miou_unix::getsockname(listening);
        const addresses tried{closed_port(), address};
        sockaddr winner;
        EXPECT_TRUE(is_connected(miou_unix::connect({.winner = &winner}, tried), listening));
        EXPECT_EQ(winner.to_string(), address.to_string());
        miou_unix::close(listening);
    });
}

} // namespace
