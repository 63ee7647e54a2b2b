// Servers that end well.

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

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#if !TEST_SANITIZED
extern "C" int __sigaction(int number, const struct sigaction* action, struct sigaction* before);
#endif

namespace {

using namespace std::chrono_literals;
using miou_unix::file_descr;
using miou_unix::sockaddr;
using miou_unix::stop_request;
using test::domains;
using test::failed_with;
using test::installed;
using test::on_reactor;
using names = std::vector<std::string>;

/// How often the kernel was asked to let SIGUSR1 have no function.
std::atomic<int> actions_without_function = 0;

} // namespace

#if !TEST_SANITIZED
extern "C" int sigaction(int number, const struct sigaction* action,
                         struct sigaction* before) noexcept {
    if (action != nullptr && number == SIGUSR1)
        actions_without_function += action->sa_handler == SIG_IGN || action->sa_handler == SIG_DFL;
    return ::__sigaction(number, action, before);
}
#endif

namespace {

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

/// Sends a byte and waits until it comes back: the server has accepted.
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

TEST(serve, cancels_those_that_are_left_after_the_grace_and_names_them) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const stop_request stop;
        int unwound = 0;
        const auto server = miou::async([&] {
            return miou_unix::serve({.grace = 1ms}, listening, stop, [&](file_descr f, sockaddr) {
                struct at_end {
                    int& count;
                    ~at_end() { ++count; }
                } const counted{unwound};
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

TEST(serve, a_stop_that_was_made_before_lets_nobody_in) {
    on_reactor([] {
        const stop_request stop;
        stop.make();
        const auto served = miou_unix::serve(test::listen_on_loopback(), stop,
                                             [](file_descr, sockaddr) { FAIL(); });
        EXPECT_EQ(served, names{});
    });
}

TEST(serve, a_listening_socket_that_somebody_else_closes_is_an_error) {
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

TEST(until, the_stop_ends_a_wait_on_whichever_domain_and_nothing_else) {
    on_reactor([] {
        const stop_request stop;
        std::atomic<int> waiting = 0;
        std::vector<miou::promise<bool>> idle;
        for (int i = 0; i < 4; ++i)
            idle.push_back(test::anywhere([&] {
                const auto [from, to] = test::socket_pair();
                char byte;
                const auto got = miou_unix::until(stop, [&, f = from] {
                    ++waiting;
                    return miou_unix::read(f, {&byte, 1});
                });
                miou::yield(); // the task itself was not cancelled
                return got.has_value();
            }));
        test::yield_until([&] { return waiting == 4; });
        stop.make();
        for (const auto& outcome : miou::await_all(idle))
            EXPECT_FALSE(outcome.value());
    });
}

TEST(until, returns_what_the_function_returns_and_nothing_is_left_of_it_after_that) {
    on_reactor([] {
        const stop_request stop;
        EXPECT_EQ(miou_unix::until(stop, [] { return 1; }), 1);
        EXPECT_TRUE(miou_unix::until(stop, [] { miou::yield(); }));
        stop.make();
        miou::yield();
        EXPECT_EQ(miou_unix::until(stop, [] { return 2; }), 2); // it need not wait
        EXPECT_FALSE(miou_unix::until(stop, test::forever));
    });
}

TEST(until, a_stop_that_meets_the_end_of_the_function_harms_nobody) {
    on_reactor([] {
        for (int i = 0; i < test::scaled(2'000, 200); ++i) {
            const stop_request stop;
            const auto stopping = test::anywhere([&] { stop.make(); });
            miou_unix::until(stop, [&] {
                for (int turn = 0; turn < i % 5; ++turn)
                    miou::yield();
            });
            miou::await_exn(stopping);
        }
    });
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

TEST(drain, cancelled_it_leaves_the_tasks_to_their_owner) {
    on_reactor([] {
        const auto owner = miou::async([] {
            miou::orphans<void> tasks;
            bool ended = false;
            miou::async(tasks, [&] {
                struct at_end {
                    bool& flag;
                    ~at_end() { flag = true; }
                } const say{ended};
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

TEST(stop_request, a_signal_makes_it_and_gives_the_signals_back) {
    // What they did before: nothing.
    std::signal(SIGUSR1, SIG_IGN);
    std::signal(SIGUSR2, SIG_IGN);
    on_reactor([] {
        const auto stop = stop_request::on({SIGUSR1, SIGUSR2});
        EXPECT_FALSE(stop.is_made());
        const auto waiter = test::anywhere([stop] { stop.wait(); });
        ::kill(::getpid(), SIGUSR2);
        stop.wait();
        EXPECT_TRUE(stop.is_made());
        miou::await_exn(waiter);
        for (const int number : {SIGUSR1, SIGUSR2})
            EXPECT_TRUE(miou::sys_signal(number, miou::signal_ignore()).is_ignore());
    });
    std::signal(SIGUSR1, SIG_DFL);
    std::signal(SIGUSR2, SIG_DFL);
}

TEST(stop_request, of_a_number_that_is_no_signal_is_refused_and_changes_nothing) {
    std::signal(SIGUSR1, SIG_IGN);
    on_reactor([] {
        EXPECT_THROW(stop_request::on({SIGUSR1, 1000}), std::invalid_argument);
        EXPECT_TRUE(miou::sys_signal(SIGUSR1, miou::signal_ignore()).is_ignore());
    });
    std::signal(SIGUSR1, SIG_DFL);
}

TEST(stop_request, at_the_end_of_the_run_the_signals_do_what_they_did) {
    std::signal(SIGUSR1, SIG_IGN);
    on_reactor([] { stop_request::on({SIGUSR1, SIGUSR2}); });
    EXPECT_EQ(installed(SIGUSR1), SIG_IGN);
    EXPECT_EQ(installed(SIGUSR2), SIG_DFL);
    std::signal(SIGUSR1, SIG_DFL);
}

TEST(stop_request, a_signal_that_is_named_twice_is_given_back_once) {
    for (const bool comes : {false, true})
        on_reactor([comes] {
            const auto stop = stop_request::on({SIGUSR1, SIGUSR2, SIGUSR1, SIGUSR1});
            if (comes) {
                ::raise(SIGUSR1);
                stop.wait();
                EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
                EXPECT_EQ(installed(SIGUSR2), SIG_DFL);
            }
        });
    EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
}

TEST(stop_request, the_newest_has_the_signal_then_the_one_before_it) {
    on_reactor([] {
        const auto first = stop_request::on({SIGUSR1, SIGUSR2});
        const auto second = stop_request::on({SIGUSR2, SIGUSR1});
        ::raise(SIGUSR1);
        second.wait();
        EXPECT_FALSE(first.is_made());
        ::raise(SIGUSR2);
        first.wait();
        EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
        EXPECT_EQ(installed(SIGUSR2), SIG_DFL);
    });
}

TEST(stop_request, outside_of_tasks_it_is_for_the_next_run) {
    const auto stop = stop_request::on({SIGUSR1, SIGUSR2});
    EXPECT_FALSE(stop.is_made());
    on_reactor([&] {
        ::raise(SIGUSR2);
        stop.wait();
        EXPECT_EQ(installed(SIGUSR1), SIG_DFL);
        EXPECT_EQ(installed(SIGUSR2), SIG_DFL);
    });
    EXPECT_THROW(stop_request::on({SIGUSR1, 1000}), std::invalid_argument);
    on_reactor([] { EXPECT_EQ(installed(SIGUSR1), SIG_DFL); });
}

TEST(stop_request, there_is_no_moment_in_which_its_signals_have_no_function) {
    if (TEST_SANITIZED)
        GTEST_SKIP() << "the sanitizers see to sigaction themselves";
    on_reactor([] {
        miou::sys_signal(SIGUSR1, miou::signal_handle([](int) {}));
        const int before = actions_without_function;
        for (int i = 0; i < 2; ++i) {
            const auto stop = miou::await_exn(test::anywhere([] {
                return stop_request::on({SIGUSR1, SIGUSR2, SIGUSR1});
            }));
            ::raise(SIGUSR1);
            stop.wait();
            miou::run({.domains = 0}, [] { stop_request::on({SIGUSR1}); });
        }
        EXPECT_EQ(actions_without_function, before);
        miou::sys_signal(SIGUSR1, miou::signal_default());
        EXPECT_EQ(actions_without_function, before + 1); // it is not blind
    });
}

TEST(stop_request, no_signal_is_lost_while_it_is_made) {
    static constexpr int rounds = 100;
    on_reactor([] {
        int counted = 0;
        stop_request came;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) {
                             ++counted;
                             came.make();
                         }));
        std::atomic<int> asked = 0;
        const std::jthread raiser{[&] {
            for (int i = 0; i < rounds; ++i) {
                asked.wait(i);
                ::raise(SIGUSR1);
            }
        }};
        int stopped = 0;
        for (int i = 0; i < rounds; ++i) {
            came = {};
            const int before = counted;
            const auto stop = miou::await_exn(test::anywhere([&] {
                ++asked;
                asked.notify_one();
                return stop_request::on({SIGUSR2, SIGUSR1});
            }));
            const auto stopping = miou::async([&] {
                stop.wait();
                came.make();
            });
            miou_unix::with_timeout(20s, [&] { came.wait(); });
            stopped += counted == before;
            if (counted != before)
                ::raise(SIGUSR1); // it gives them back
            miou::await_exn(stopping);
        }
        EXPECT_EQ(counted + stopped, rounds);
    });
}

} // namespace
