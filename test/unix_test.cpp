// What the system refuses, and runs of it: again, nested, and what outlives them.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <chrono>
#include <stdexcept>
#include <string>

namespace {

using test::domains;
using test::error_in;
using test::error_of;
namespace errc = boost::system::errc;
using namespace std::chrono_literals;

TEST(guards, calls_for_sockets_refuse_a_pipe) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        EXPECT_THROW(miou_unix::accept(from), std::invalid_argument);
        EXPECT_THROW(miou_unix::connect(to, test::loopback(9)), std::invalid_argument);
        EXPECT_EQ(error_of([f = from] { miou_unix::shutdown(f, SHUT_RD); }), errc::not_a_socket);
        EXPECT_EQ(error_of([f = from] { miou_unix::getsockname(f); }), errc::not_a_socket);
    });
}

TEST(guards, a_datagram_socket_is_bound_but_does_not_listen) {
    const auto udp = miou_unix::of_file_descr(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    miou_unix::bind_and_listen(udp, test::loopback());
    EXPECT_NE(miou_unix::getsockname(udp).port(), 0);
}

TEST(connect, a_refused_one_wakes_its_task) { // Miou_unix test05
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

TEST(run, domains_that_wait_for_each_other_use_no_processor_time) {
    miou_unix::run({.domains = domains()}, [] {
        const auto wait = [] {
            const auto used_before = test::processor_time();
            miou_unix::sleep(1.0);
            return test::processor_time() - used_before; // of all domains
        };
        const auto other = test::anywhere(wait);
        EXPECT_LT(miou::await_exn(other), test::scaled(50, 500) * 1ms);
    });
}

TEST(run, nothing_of_it_works_outside_of_it) {
    const auto [from, to] = test::pipe();
    char byte[1];
    EXPECT_THROW(miou_unix::read(from, byte), miou::rule_violation);
    EXPECT_THROW(miou_unix::write(to, "x"), miou::rule_violation);
    miou::run({.domains = domains()}, [f = from] {
        char read_there[1];
        EXPECT_THROW(miou_unix::read(f, read_there), miou::no_select_provided);
    });
}

TEST(run, may_be_called_again_and_inside_of_itself) { // Miou test41
    for (int i = 0; i < 3; ++i)
        miou_unix::run({.domains = domains()}, [] {
            const auto [outer_from, outer_to] = test::pipe();
            const auto waits = miou::async([f = outer_from] { return test::read_to_end(f); });
            miou::yield();
            miou_unix::run({.domains = domains()}, [] {
                const auto [from, to] = test::pipe();
                miou_unix::write(to, "inner");
                miou_unix::close(to);
                EXPECT_EQ(test::read_to_end(from), "inner");
                miou_unix::sleep(0.001);
            });
            miou_unix::write(outer_to, "outer");
            miou_unix::close(outer_to);
            EXPECT_EQ(miou::await_exn(waits), "outer");
        });
}

TEST(run, a_handle_outlives_it_and_serves_the_next_one) {
    auto [from, to] = test::pipe();
    for (int i = 0; i < 30; ++i)
        miou_unix::run({.domains = domains()}, [f = from, g = to] {
            const auto reader = test::anywhere([f] {
                char byte[1];
                miou_unix::really_read(f, byte);
                return byte[0];
            });
            miou_unix::write(g, "x");
            EXPECT_EQ(miou::await_exn(reader), 'x');
        });
    miou_unix::close(from);
}

} // namespace
