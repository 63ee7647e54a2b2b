// Runs of miou_unix: one after the other, one inside another, and what outlives them.

#include "support/domains.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <chrono>
#include <string>

namespace {

using test::domains;
using test::error_of;
namespace errc = boost::system::errc;
using namespace std::chrono_literals;

TEST(reactor_run, domains_that_wait_for_each_other_use_no_processor_time) {
    miou_unix::run({.domains = domains()}, [] {
        const auto wait = [] {
            const auto used_before = test::processor_time();
            miou_unix::sleep(1.0);
            return test::processor_time() - used_before; // by all domains
        };
        const auto other = test::anywhere(wait);
        EXPECT_LT(miou::await_exn(other), test::scaled(50, 500) * 1ms);
    });
}

TEST(reactor_run, no_call_works_outside_of_a_run) {
    const auto [from, to] = test::pipe();
    char byte[1];
    EXPECT_THROW(static_cast<void>(miou_unix::read(from, byte)), miou::rule_violation);
    EXPECT_THROW(miou_unix::write(to, "x"), miou::rule_violation);
    miou::run({.domains = domains()}, [f = from] {
        char read_there[1];
        EXPECT_THROW(static_cast<void>(miou_unix::read(f, read_there)), miou::no_select_provided);
    });
}

TEST(reactor_run, may_be_repeated_and_nested) { // Miou test41
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

TEST(reactor_run, a_handle_outlives_it_and_serves_the_next_one) {
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

TEST(reactor_run, what_a_nested_run_closes_is_closed_at_once) {
    const auto close_inside = [](auto run_inside) {
        miou_unix::run({.domains = domains()}, [&] {
            const auto [client, server] = test::tcp_pair();
            const auto reader = miou::async([f = server] {
                char byte[1];
                return error_of([&] { static_cast<void>(miou_unix::read(f, byte)); });
            });
            miou_unix::sleep(0.001); // now the descriptor is registered here
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

} // namespace
