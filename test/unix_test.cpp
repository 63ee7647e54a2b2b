// Miou's own tests of its system: children, signals, sockets together.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/tasks.hpp"

#include "miou/computation.hpp"
#include "miou/promise.hpp"
#include "miou/sys_signal.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

extern char** environ;

namespace {

using test::domains;
using test::error_in;
using test::error_of;
namespace errc = boost::system::errc;

/// Starts a shell; its standard output goes to `out`, if that is a descriptor.
::pid_t start(const char* command, int out = -1) {
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    if (out >= 0)
        ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    const char* const arguments[] = {"sh", "-c", command, nullptr};
    ::pid_t pid = -1;
    const int error = ::posix_spawn(&pid, "/bin/sh", &actions, nullptr,
                                    const_cast<char* const*>(arguments), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        throw std::system_error{error, std::generic_category(), "posix_spawn"};
    return pid;
}

TEST(child_process, its_end_is_the_end_of_its_pipe) { // Miou_unix test01
    miou_unix::run({.domains = domains()}, [] {
        const auto [out, in] = test::raw_pipe();
        const ::pid_t pid = start("true", in);
        ::close(in);
        const auto f = miou_unix::of_file_descr(out);
        const auto read = miou::async([&] {
            char byte;
            return miou_unix::read(f, std::span{&byte, 1}) == 0;
        });
        const auto timeout = miou::async([] {
            miou_unix::sleep(20);
            return false;
        });
        const auto exit = miou::async([pid] {
            EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
            miou_unix::sleep(20);
            return false;
        });
        EXPECT_EQ(miou::await_one({read, timeout, exit}).value(), true);
        for (const auto& each : {read, timeout, exit})
            miou::cancel(each);
    });
}

TEST(child_process, what_it_writes_is_read_and_then_the_end) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [out, in] = test::raw_pipe();
        const ::pid_t pid = start("echo one; echo two", in);
        ::close(in);
        const auto reader =
            test::anywhere([f = miou_unix::of_file_descr(out)] { return test::read_to_end(f); });
        EXPECT_EQ(miou::await_exn(reader), "one\ntwo\n");
        EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
    });
}

TEST(child_process, sigchld_tells_its_end_while_nobody_blocks) { // Miou_unix test02
    std::vector<std::string> log;
    miou_unix::run({.domains = domains()}, [&] {
        const ::pid_t pid = start("exec sleep 1000"); // until it is killed
        log.push_back("launched");
        const miou::computation<int> ended;
        miou::sys_signal(SIGCHLD, miou::signal_handle([&](int) {
                             int status = 0;
                             if (::waitpid(pid, &status, WNOHANG) == pid)
                                 ended.try_return(status);
                         }));
        log.push_back("handler installed");
        ::kill(pid, SIGTERM);
        const int status = ended.await_exn();
        log.push_back(WIFSIGNALED(status) ? "signaled" : "?");
    });
    EXPECT_EQ(log, (std::vector<std::string>{"launched", "handler installed", "signaled"}));
}

TEST(child_process, a_handler_may_install_itself_again) { // Miou_unix test02
    miou_unix::run({.domains = domains()}, [&] {
        const miou::computation<int> ended;
        ::pid_t pid = -1;
        struct handler {
            const ::pid_t& pid;
            const miou::computation<int>& ended;
            void operator()(int) const {
                int status = 0;
                if (::waitpid(pid, &status, WNOHANG) == 0)
                    miou::sys_signal(SIGCHLD, miou::signal_handle(*this));
                else
                    EXPECT_TRUE(ended.try_return(status));
            }
        };
        miou::sys_signal(SIGCHLD, miou::signal_handle(handler{pid, ended}));
        pid = start("exit 7");
        const int status = ended.await_exn();
        EXPECT_TRUE(WIFEXITED(status));
        EXPECT_EQ(WEXITSTATUS(status), 7);
    });
}

TEST(guards, calls_for_streams_refuse_a_datagram_socket) { // Miou_unix test04
    miou_unix::run({.domains = domains()}, [] {
        const auto udp = miou_unix::of_file_descr(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        char buffer[16];
        EXPECT_THROW(miou_unix::read(udp, buffer), std::invalid_argument);
        EXPECT_THROW(miou_unix::really_read(udp, buffer), std::invalid_argument);
        EXPECT_THROW(miou_unix::write(udp, "x"), std::invalid_argument);
        EXPECT_THROW(miou_unix::accept(udp), std::invalid_argument);
        EXPECT_THROW(miou_unix::connect(udp, test::loopback(9)), std::invalid_argument);
        miou_unix::close(udp);
    });
}

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
    for (int i = 0; i < 5; ++i)
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
