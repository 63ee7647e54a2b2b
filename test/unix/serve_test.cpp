// Servers: how they accept, how they end, and what they report.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/few_descriptors.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/reactor.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using miou_unix::file_descr;
using miou_unix::sockaddr;
using miou_unix::stop_request;
using test::domains;
using test::failed_with;
using test::on_reactor;
using names = std::vector<std::string>;

void echo(const file_descr& client) {
    char data[100];
    while (const std::size_t got = miou_unix::read(client, data))
        miou_unix::write(client, std::span{data, got});
}

file_descr connect_to(const sockaddr& server) {
    auto made = miou_unix::tcpv4();
    miou_unix::connect(made, server);
    return made;
}

/// Sends a byte and waits until it comes back. Then the server has accepted the connection.
bool is_echoed(const file_descr& f) {
    char byte = 'x';
    miou_unix::write(f, std::span{&byte, 1});
    return miou_unix::read(f, {&byte, 1}) == 1 && byte == 'x';
}

bool is_closed(const file_descr& f) {
    char byte;
    return miou_unix::read(f, {&byte, 1}) == 0;
}

TEST(serve, runs_until_the_stop_and_closes_the_listening_socket) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const auto address = miou_unix::getsockname(listening);
        const stop_request stop;
        const auto server = miou::async([&] {
            return miou_unix::serve(listening, stop, [](file_descr f, sockaddr) { echo(f); });
        });
        for (int i = 0; i < 10; ++i) {
            const auto client = connect_to(address);
            EXPECT_TRUE(is_echoed(client));
            miou_unix::close(client);
        }
        stop.make();
        EXPECT_EQ(miou::await_exn(server), names{});
        EXPECT_EQ(test::error_of([&] { connect_to(address); }),
                  boost::system::errc::connection_refused);
    });
}

TEST(serve, lets_connections_in_flight_finish) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const stop_request stop;
        const auto server = miou::async([&] {
            return miou_unix::serve({.grace = 1h}, listening, stop,
                                    [](file_descr f, sockaddr) { echo(f); });
        });
        const auto client = connect_to(miou_unix::getsockname(listening));
        EXPECT_TRUE(is_echoed(client));
        stop.make();
        miou::yield();
        EXPECT_TRUE(is_echoed(client));
        miou_unix::shutdown(client, SHUT_WR);
        EXPECT_EQ(miou::await_exn(server), names{});
        EXPECT_TRUE(is_closed(client));
        miou_unix::close(client);
    });
}

TEST(serve, cancels_and_names_the_connections_that_are_left_after_the_grace_period) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const stop_request stop;
        int unwound = 0;
        const auto server = miou::async([&] {
            return miou_unix::serve({.grace = 1ms}, listening, stop, [&](file_descr f, sockaddr) {
                const miou::at_end leaving{[&] { ++unwound; }};
                echo(f);
            });
        });
        const auto a = connect_to(miou_unix::getsockname(listening));
        const auto b = connect_to(miou_unix::getsockname(listening));
        EXPECT_TRUE(is_echoed(a) && is_echoed(b));
        stop.make();
        const names late = miou::await_exn(server);
        ASSERT_EQ(late.size(), 2u);
        EXPECT_TRUE(test::contains(late[0], "serve_test.cpp:")) << late[0];
        EXPECT_EQ(unwound, 2);
        EXPECT_TRUE(is_closed(a) && is_closed(b));
        miou_unix::close(a);
        miou_unix::close(b);
    });
}

TEST(serve, a_connection_that_fails_harms_no_other) {
    std::atomic<int> logged = 0;
    miou::logs::set_sink([&](miou::logs::level, std::string_view line) {
        logged += line.find("no good") != line.npos;
    });
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const stop_request stop;
        const auto server = miou::async([&] {
            return miou_unix::serve(listening, stop, [](file_descr f, sockaddr) {
                echo(f);
                throw std::runtime_error{"no good"};
            });
        });
        const auto a = connect_to(miou_unix::getsockname(listening));
        const auto b = connect_to(miou_unix::getsockname(listening));
        EXPECT_TRUE(is_echoed(a) && is_echoed(b));
        miou_unix::shutdown(a, SHUT_WR);
        EXPECT_TRUE(is_closed(a));
        EXPECT_TRUE(is_echoed(b));
        stop.make();
        miou_unix::close(b);
        miou_unix::close(a);
        EXPECT_EQ(miou::await_exn(server), names{});
    });
    miou::logs::set_sink({});
    EXPECT_EQ(logged, 2);
}

TEST(serve, servers_on_all_domains_share_a_listening_socket_and_a_stop) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const auto address = miou_unix::getsockname(listening);
        const stop_request stop;
        const auto run_server = [listening, stop] {
            return miou_unix::serve(listening, stop, [](file_descr f, sockaddr) { echo(f); });
        };
        std::vector<miou::promise<names>> servers;
        servers.push_back(miou::async(run_server));
        for (int i = 0; i < domains(); ++i)
            servers.push_back(miou::call(run_server));
        for (int i = 0; i < 20; ++i) {
            const auto client = connect_to(address);
            EXPECT_TRUE(is_echoed(client));
            miou_unix::close(client);
        }
        stop.make();
        for (const auto& outcome : miou::await_all(std::move(servers)))
            EXPECT_EQ(outcome.value(), names{});
    });
}

TEST(serve, cancelling_it_cancels_the_connections) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const auto server = test::anywhere([listening] {
            [[maybe_unused]] const auto cut_off =
                miou_unix::serve(listening, {}, [](file_descr f, sockaddr) { echo(f); });
        });
        const auto client = connect_to(miou_unix::getsockname(listening));
        EXPECT_TRUE(is_echoed(client));
        miou::cancel(server);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(server)));
        EXPECT_TRUE(is_closed(client));
        miou_unix::close(client);
        miou_unix::close(listening);
    });
}

TEST(serve, a_stop_requested_beforehand_lets_nobody_in) {
    on_reactor([] {
        const stop_request stop;
        stop.make();
        const auto served = miou_unix::serve(test::listen_on_loopback(), stop,
                                             [](file_descr, sockaddr) { FAIL(); });
        EXPECT_EQ(served, names{});
    });
}

TEST(serve, a_listening_socket_that_another_task_closes_is_an_error) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const auto closing = miou::async([&] { miou_unix::close(listening); });
        EXPECT_EQ(test::error_of([&] {
                      [[maybe_unused]] const auto cut_off =
                          miou_unix::serve(listening, {}, [](file_descr, sockaddr) {});
                  }),
                  boost::system::errc::bad_file_descriptor);
        miou::await_exn(closing);
    });
}

TEST(serve, without_descriptors_clients_wait_and_nothing_spins) {
    miou::logs::set_sink([](miou::logs::level, std::string_view) {});
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const stop_request stop;
        const auto client = connect_to(miou_unix::getsockname(listening));
        std::optional<test::few_descriptors> none_left{std::in_place};
        const auto server = miou::async([&] {
            return miou_unix::serve(listening, stop, [](file_descr f, sockaddr) { echo(f); });
        });
        const auto used_before = test::processor_time();
        miou_unix::sleep(0.3);
        EXPECT_LT(test::processor_time() - used_before, 150ms);
        none_left.reset();
        EXPECT_TRUE(is_echoed(client));
        miou_unix::close(client);
        stop.make();
        EXPECT_EQ(miou::await_exn(server), names{});
    });
    miou::logs::set_sink({});
}

TEST(serve, the_log_of_a_failure_names_the_task_its_place_and_the_peer) {
    std::string log;
    miou::logs::set_sink([&](miou::logs::level, std::string_view line) { log += line; });
    std::string peer;
    on_reactor([&] {
        const auto listening = test::listen_on_loopback();
        const stop_request stop;
        const auto server = miou::async([&] {
            return miou_unix::serve(listening, stop,
                                    [](file_descr, sockaddr) { throw std::runtime_error{"why"}; });
        });
        const auto client = connect_to(miou_unix::getsockname(listening));
        peer = miou_unix::getsockname(client).to_string();
        EXPECT_TRUE(is_closed(client));
        stop.make();
        miou::await_exn(server);
        miou_unix::close(client);
    });
    miou::logs::set_sink({});
    for (const std::string& part :
         {std::string{"task "}, std::string{"serve_test.cpp:"}, peer, std::string{"failed: why"}})
        EXPECT_TRUE(test::contains(log, part)) << log;
}

TEST(drain, refuses_times_that_make_no_sense_and_the_tasks_of_others) {
    on_reactor([] {
        miou::orphans<void> tasks;
        EXPECT_THROW(miou_unix::drain(tasks, -1s), std::invalid_argument);
        EXPECT_THROW(miou_unix::drain(tasks, std::chrono::duration<double>{std::nan("")}),
                     std::invalid_argument);
        EXPECT_EQ(miou_unix::drain(tasks, 0s), names{});
        const auto other = miou::async([&] { miou_unix::drain(tasks, 0s); });
        EXPECT_TRUE(failed_with<std::invalid_argument>(miou::await(other)));
    });
}

TEST(drain, a_cancelled_call_leaves_the_tasks_to_their_owner) {
    on_reactor([] {
        const auto owner = miou::async([] {
            miou::orphans<void> tasks;
            bool ended = false;
            miou::async(tasks, [&] {
                const miou::at_end leaving{[&] { ended = true; }};
                test::forever();
            });
            try {
                miou_unix::drain(tasks, 1h);
            } catch (const miou::cancelled&) {
                EXPECT_FALSE(ended);
                throw;
            }
        });
        miou::yield();
        miou::cancel(owner);
    });
}

} // namespace
