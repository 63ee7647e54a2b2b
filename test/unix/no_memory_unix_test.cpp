// Programs of miou_unix, to be run without memory.

#include "support/domains.hpp"
#include "support/io.hpp"
#include "support/no_memory.hpp"
#include "support/reactor.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <utility>

namespace no_memory::on_unix {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using miou_unix::file_descr;
using miou_unix::use_fiber;
using test::anywhere;
using test::at_least;
using test::on_reactor;

/// Two children wait for each other. Returns the sum of their values. If one fails, throws, and
/// does not wait for the other.
int sum_of(const miou::promise<int>& a, const miou::promise<int>& b) {
    miou::await_one({a, b}).value();
    return miou::await_exn(a) + miou::await_exn(b);
}

/// Owns a raw descriptor until a `file_descr` takes it.
class raw_descriptor {
public:
    explicit raw_descriptor(int fd) noexcept
        : fd_{fd} {}
    raw_descriptor(const raw_descriptor&) = delete;
    raw_descriptor& operator=(const raw_descriptor&) = delete;
    ~raw_descriptor() {
        if (fd_ >= 0)
            ::close(fd_);
    }
    int number() const noexcept { return fd_; }
    file_descr taken() {
        file_descr made = miou_unix::of_file_descr(fd_);
        fd_ = -1;
        return made;
    }

private:
    int fd_;
};

test::ends connected_pair() {
    const auto raw = test::raw_socket_pair();
    raw_descriptor first{raw.first};
    raw_descriptor second{raw.second};
    file_descr a = first.taken();
    return {a, second.taken()};
}

char read_byte(const file_descr& from) {
    char byte = 0;
    miou_unix::really_read(from, {&byte, 1});
    return byte;
}

int sleepers() {
    return on_reactor([] {
        const auto far = miou::async([mine = counted{}] { miou_unix::sleep(1h); });
        const auto there = anywhere([mine = counted{}] { miou_unix::sleep(2ms); });
        const auto near = miou::async([mine = counted{}] { miou_unix::sleep(1ms); });
        miou::await_exn(near);
        miou_unix::sleep(1ms);
        miou::await_exn(there);
        miou::cancel(far);
        return 1;
    });
}

/// Sends a message through a connection and back.
int echoed_by(const file_descr& listening, const file_descr& client) {
    const auto there = anywhere([listening, mine = counted{}] {
        const file_descr accepted = miou_unix::accept(listening).first;
        miou_unix::write(accepted, std::string(1, read_byte(accepted)));
        return 0;
    });
    const auto here = miou::async([&, mine = counted{}] {
        miou_unix::connect(client, miou_unix::getsockname(listening));
        try {
            miou_unix::write(client, "x");
            return read_byte(client) == 'x' ? 1 : 0;
        } catch (const boost::system::system_error&) { // the other task has failed
            return 0;
        }
    });
    return sum_of(there, here);
}

int tcp_connection() {
    return on_reactor([] { return echoed_by(test::listen_on_loopback(), miou_unix::tcpv4()); });
}

int local_connection() {
    return on_reactor([] {
        const std::string name = std::string{'\0'} + "miou." + std::to_string(::getpid());
        const auto listening = miou_unix::unix_socket();
        miou_unix::bind_and_listen(listening, boost::asio::local::stream_protocol::endpoint{name});
        return echoed_by(listening, miou_unix::unix_socket());
    });
}

int datagrams() {
    return on_reactor([] {
        const auto a = miou_unix::udpv4();
        miou_unix::bind_and_listen(a, test::loopback());
        const auto receiver = anywhere([a, mine = counted{}] {
            std::array<char, 10> into;
            return static_cast<int>(miou_unix::recvfrom(a, into).first);
        });
        const auto b = miou_unix::udpv4();
        miou_unix::sendto(b, "1234", miou_unix::getsockname(a));
        return miou::await_exn(receiver);
    });
}

/// A task waits for a descriptor that another domain closes.
int closed_elsewhere() {
    return miou_unix::run({.domains = at_least(1)}, [] {
        const auto [near, far] = connected_pair();
        miou::trigger has_read;
        const auto child = miou::call([&, near = near, mine = counted{}] {
            {
                const miou::at_end tell{[&] { has_read.signal(); }};
                read_byte(near);
            }
            read_byte(near);
        });
        miou_unix::write(far, "x");
        wait_for(has_read);
        miou_unix::close(near);
        const auto outcome = miou::await(child);
        if (test::error_in(outcome) == boost::system::errc::bad_file_descriptor)
            return 1;
        outcome.value();
        return 0;
    });
}

/// The last handle is destroyed on another domain than the first that used it.
int dropped_elsewhere() {
    return miou_unix::run({.domains = at_least(1)}, [] {
        auto both = connected_pair();
        miou_unix::write(both.second, "x");
        read_byte(both.first);
        miou::await_exn(miou::call([own = std::move(both), mine = counted{}] {
            miou_unix::write(own.first, "y");
            read_byte(own.second);
        }));
        return 1;
    });
}

int watched_descriptors() {
    return on_reactor([] {
        const auto raw = test::raw_pipe();
        const raw_descriptor out{raw.first};
        const raw_descriptor in{raw.second};
        const auto child = anywhere([&, mine = counted{}] { miou_unix::blocking_read(raw.first); });
        miou_unix::blocking_write(raw.second);
        const bool written = ::write(raw.second, "x", 1) == 1;
        miou::await_exn(child);
        return written ? 1 : 0;
    });
}

int released_descriptors() {
    return on_reactor([] {
        auto both = connected_pair();
        miou_unix::write(both.second, "x");
        read_byte(both.first);
        const raw_descriptor released{both.first.release()};
        return released.number() >= 0 ? 1 : 0;
    });
}

int owned_descriptors() {
    return on_reactor([] {
        const auto outcome = miou::await(miou::async([mine = counted{}] {
            const auto listening = miou_unix::ownership::tcpv4();
            miou_unix::ownership::bind_and_listen(listening, test::loopback());
            const auto client = miou_unix::ownership::tcpv4();
            miou_unix::ownership::connect(client, miou_unix::getsockname(listening.checked()));
            const auto accepted = miou_unix::ownership::accept(listening).first;
            throw expected_failure{};
        }));
        return outcome.has_error() ? 1 : 0;
    });
}

int resolved_and_connected() {
    return on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const auto port = std::to_string(miou_unix::getsockname(listening).port());
        const auto client = miou_unix::connect("127.0.0.1", port);
        miou_unix::write(client, "x");
        return read_byte(miou_unix::accept(listening).first) == 'x' ? 1 : 0;
    });
}

int server() {
    return on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const miou_unix::stop_request stop;
        const auto address = miou_unix::getsockname(listening);
        const auto client = anywhere([=, mine = counted{}] {
            const miou::at_end tell{[&] { stop.make(); }};
            for (int i = 0; i < 2; ++i) {
                const auto mine = miou_unix::tcpv4();
                miou_unix::connect(mine, address);
                try {
                    miou_unix::write(mine, "x");
                    read_byte(mine);
                } catch (const boost::system::system_error&) { // the server has failed
                }
            }
        });
        [[maybe_unused]] const auto cut_off = miou_unix::serve(
            {.grace = 0ms}, listening, stop,
            [count = counted{}](const file_descr& connection, miou_unix::sockaddr) {
                miou_unix::write(connection, std::string(1, read_byte(connection)));
                throw expected_failure{};
            });
        miou::await_exn(client);
        return 1;
    });
}

int time_outs() {
    return on_reactor([] {
        const int in_time = miou_unix::with_timeout(1h, [mine = counted{}] { return 1; });
        try {
            miou_unix::with_timeout(1ms, [mine = counted{}] { test::forever(); });
        } catch (const miou_unix::timed_out&) {
            return in_time;
        }
        return 0;
    });
}

int functions_that_block() {
    return on_reactor([] {
        const auto child =
            anywhere([mine = counted{}] { return miou_unix::blocking([] { return 1; }); });
        return miou_unix::blocking([mine = counted{}] { return 1; }) + miou::await_exn(child);
    });
}

int calls_of_asio() {
    return on_reactor([] {
        boost::asio::steady_timer timer{miou_unix::executor(), 1ms};
        timer.async_wait(use_fiber);
        tcp::acceptor acceptor{miou_unix::executor(),
                               tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
        tcp::socket client{miou_unix::executor()};
        client.async_connect(acceptor.local_endpoint(), use_fiber);
        tcp::socket accepted = acceptor.async_accept(use_fiber);
        const auto reader = miou::async([&, mine = counted{}] {
            std::array<char, 4> into;
            return static_cast<int>(
                boost::asio::async_read(accepted, boost::asio::buffer(into), use_fiber));
        });
        const auto late = miou::async([&, mine = counted{}] {
            std::array<char, 4> into;
            boost::asio::async_read(client, boost::asio::buffer(into), use_fiber);
        });
        miou::yield();
        boost::asio::async_write(client, boost::asio::buffer("1234", 4), use_fiber);
        miou::cancel(late);
        return miou::await_exn(reader);
    });
}

int posix_signals() {
    return on_reactor([] {
        const auto handled = std::make_shared<miou::trigger>(); // shared, because the handler may
                                                                // outlive this function
        miou::sys_signal(SIGUSR1, miou::signal_handle([handled, mine = counted{}](int) {
                             const miou::at_end tell{[&] { handled->signal(); }};
                             throw expected_failure{};
                         }));
        ::raise(SIGUSR1);
        miou_unix::with_timeout(5s, [&] { wait_for(*handled); });
        return 1;
    });
}

int stopped_by_a_signal() {
    return on_reactor([] {
        const auto stop = miou_unix::stop_request::on({SIGUSR1, SIGUSR2});
        ::raise(SIGUSR2);
        miou_unix::with_timeout(5s, [&] { stop.wait(); });
        return stop.is_made() ? 1 : 0;
    });
}

constexpr program programs[] = {
    {"sleepers", sleepers, 1},
    {"tcp_connection", tcp_connection, 1},
    {"local_connection", local_connection, 1},
    {"datagrams", datagrams, 4},
    {"closed_elsewhere", closed_elsewhere, 1},
    {"dropped_elsewhere", dropped_elsewhere, 1},
    {"watched_descriptors", watched_descriptors, 1},
    {"released_descriptors", released_descriptors, 1},
    {"owned_descriptors", owned_descriptors, 1},
    {"resolved_and_connected", resolved_and_connected, 1},
    {"server", server, 1},
    {"time_outs", time_outs, 1},
    {"functions_that_block", functions_that_block, 2},
    {"calls_of_asio", calls_of_asio, 4},
    {"posix_signals", posix_signals, 1},
    {"stopped_by_a_signal", stopped_by_a_signal, 1},
};

INSTANTIATE_TEST_SUITE_P(unix_system, out_of_memory, testing::ValuesIn(programs),
                         [](const auto& each) { return std::string{each.param.name}; });

} // namespace no_memory::on_unix
