// Calls in a process that has no descriptors left.

#include "support/domains.hpp"
#include "support/few_descriptors.hpp"
#include "support/io.hpp"
#include "support/tasks.hpp"

#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

namespace {

using test::domains;
using test::error_in;
using test::error_of;
namespace errc = boost::system::errc;

TEST(too_many_descriptors, a_new_socket_is_an_error) {
    const test::few_descriptors none_left;
    EXPECT_EQ(error_of([] { miou_unix::tcpv4(); }), errc::too_many_files_open);
    EXPECT_EQ(error_of([] { miou_unix::tcpv6(); }), errc::too_many_files_open);
}

TEST(too_many_descriptors, accept_fails_and_the_connection_waits) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = test::listen_on_loopback();
        const auto client = miou_unix::tcpv4();
        miou_unix::connect(client, miou_unix::getsockname(listening));
        {
            const test::few_descriptors none_left;
            for (int i = 0; i < 3; ++i)
                EXPECT_EQ(error_of([&] { miou_unix::accept(listening); }),
                          errc::too_many_files_open);
        }
        const auto server = miou_unix::accept(listening).first;
        miou_unix::write(client, "x");
        char byte[1];
        EXPECT_EQ(miou_unix::read(server, byte), 1u);
    });
}

TEST(too_many_descriptors, a_waiting_accept_fails_when_a_client_comes) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = test::listen_on_loopback();
        const auto client = miou_unix::tcpv4();
        const auto accepting = test::anywhere([&] { miou_unix::accept(listening); });
        miou_unix::sleep(0.001);
        {
            const test::few_descriptors none_left;
            miou_unix::connect(client, miou_unix::getsockname(listening));
            EXPECT_EQ(error_in(miou::await(accepting)), errc::too_many_files_open);
        }
        miou_unix::accept(listening);
    });
}

TEST(too_many_descriptors, a_run_that_cannot_begin_is_an_error) {
    bool began = false;
    for (unsigned spare = 0; !began; ++spare) {
        const test::few_descriptors left{spare};
        const auto error =
            error_of([&] { miou_unix::run({.domains = domains()}, [&] { began = true; }); });
        EXPECT_EQ(error == errc::too_many_files_open, !began) << error << ", spare " << spare;
        ASSERT_LT(spare, 100u);
    }
}

} // namespace
