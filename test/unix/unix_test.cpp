// What the system refuses, and runs of it: again, nested, and what outlives them.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/promise.hpp"
#include "miou_unix/executor.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <chrono>
#include <cstddef>
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
    EXPECT_THROW(static_cast<void>(miou_unix::read(from, byte)), miou::rule_violation);
    EXPECT_THROW(miou_unix::write(to, "x"), miou::rule_violation);
    miou::run({.domains = domains()}, [f = from] {
        char read_there[1];
        EXPECT_THROW(static_cast<void>(miou_unix::read(f, read_there)), miou::no_select_provided);
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

TEST(run, what_is_closed_in_a_run_inside_of_it_is_closed_at_once) {
    const auto close_inside = [](auto run_inside) {
        miou_unix::run({.domains = domains()}, [&] {
            const auto [client, server] = test::tcp_pair();
            const auto reader = miou::async([f = server] {
                char byte[1];
                return error_of([&] { static_cast<void>(miou_unix::read(f, byte)); });
            });
            miou_unix::sleep(0.001); // it is registered here
            ::timeval patience{.tv_sec = 20, .tv_usec = 0};
            const int raw = miou_unix::to_file_descr(client);
            ::setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
            ::fcntl(raw, F_SETFL, ::fcntl(raw, F_GETFL) & ~O_NONBLOCK);
            ::ssize_t seen = -1;
            run_inside([&, f = server] {
                miou_unix::close(f);
                char byte[1];
                seen = ::recv(raw, byte, 1, 0);
            });
            EXPECT_EQ(seen, 0);
            EXPECT_EQ(miou::await_exn(reader), errc::bad_file_descriptor);
        });
    };
    close_inside([](auto fn) { miou::run({.domains = 0}, fn); });
    close_inside([](auto fn) { miou_unix::run({.domains = 0}, fn); });
}

// --- Handlers of the user ------------------------------------------------------------------------

void post_failure() {
    boost::asio::post(miou_unix::executor(), [] { throw std::runtime_error{"handler"}; });
}

TEST(handlers, one_that_throws_ends_the_run_and_everybody_unwinds) {
    for (const bool begun : {false, true}) {
        bool unwound = false;
        EXPECT_THROW(miou_unix::run({.domains = domains()},
                                    [&] {
                                        const auto [from, to] = test::socket_pair();
                                        const auto reader = miou::async([&, f = from] {
                                            char byte[1];
                                            try {
                                                static_cast<void>(miou_unix::read(f, byte));
                                            } catch (const miou::cancelled&) {
                                                unwound = true;
                                                throw;
                                            }
                                        });
                                        if (begun)
                                            miou_unix::sleep(0.001);
                                        for (int i = 0; i < 10; ++i)
                                            post_failure();
                                        miou::await_exn(reader);
                                    }),
                     std::runtime_error);
        EXPECT_TRUE(unwound);
    }
}

TEST(handlers, one_that_throws_takes_nothing_from_those_who_have_read) {
    for (const bool begun : {false, true}) {
        std::size_t got = 0;
        EXPECT_THROW(miou_unix::run({.domains = domains()},
                                    [&] {
                                        const auto [from, to] = test::socket_pair();
                                        const auto reader = miou::async([&, f = from] {
                                            miou::uncancellable([&] {
                                                char two[2];
                                                got = miou_unix::read(f, two);
                                            });
                                        });
                                        if (begun)
                                            miou_unix::sleep(0.001);
                                        else
                                            miou::yield();
                                        miou_unix::write(to, "x");
                                        post_failure();
                                        miou::await_exn(reader);
                                    }),
                     std::runtime_error);
        EXPECT_EQ(got, 1u);
    }
}

TEST(handlers, may_be_run_by_a_task) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::socket_pair();
        std::size_t got = 0;
        const auto reader = miou::async([&, f = from] {
            char two[2];
            got = miou_unix::read(f, two);
        });
        miou_unix::sleep(0.001);
        miou_unix::write(to, "x");
        miou_unix::executor().context().poll();
        miou::cancel(reader); // too late: nothing is lost
        EXPECT_EQ(got, 1u);
    });
}

} // namespace
