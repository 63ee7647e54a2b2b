// Streams: data arrives whole and in order; how streams end; which calls are refused.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

namespace {

using test::domains;
using test::error_in;
using test::error_of;
using test::numbered_bytes;
namespace errc = boost::system::errc;

void echo_once(const miou_unix::file_descr& listening) {
    const auto [client, peer] = miou_unix::accept(listening);
    std::array<char, 1000> buffer;
    while (const std::size_t length = miou_unix::read(client, buffer))
        miou_unix::write(client, std::span{buffer.data(), length});
}

TEST(stream, an_echo_comes_back) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = test::listen_on_loopback();
        const auto server = test::anywhere([&] { echo_once(listening); });
        const auto client = miou_unix::tcpv4();
        miou_unix::connect(client, miou_unix::getsockname(listening));
        miou_unix::write(client, "hello");
        char answer[5];
        miou_unix::really_read(client, answer);
        EXPECT_EQ(std::string(answer, 5), "hello");
        miou_unix::close(client);
        miou::await_exn(server);
    });
}

TEST(stream, ipv6_works_like_ipv4) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = miou_unix::tcpv6();
        miou_unix::bind_and_listen(listening, test::loopback_v6());
        const auto server = test::anywhere([&] {
            const auto [client, peer] = miou_unix::accept(listening);
            miou_unix::write(client, peer.to_string());
        });
        const auto client = miou_unix::tcpv6();
        miou_unix::connect(client, miou_unix::getsockname(listening));
        EXPECT_EQ(test::read_to_end(client), miou_unix::getsockname(client).to_string());
        miou::await_exn(server);
    });
}

TEST(stream, ten_megabytes_go_both_ways_at_once) {
    static constexpr int size = test::scaled(10'000'000, 2'000'000);
    miou_unix::run({.domains = domains()}, [] {
        const auto [client, server] = test::tcp_pair();
        const auto side = [](miou_unix::file_descr f, unsigned sends, unsigned receives) {
            return test::anywhere([=] {
                const auto sender =
                    miou::async([&] { test::send_numbered(f, numbered_bytes{sends}, size); });
                EXPECT_EQ(test::receive_numbered(f, numbered_bytes{receives}), size);
                miou::await_exn(sender);
            });
        };
        const auto here = side(client, 1, 2);
        const auto there = side(server, 2, 1);
        miou::await_exn(here);
        miou::await_exn(there);
    });
}

TEST(stream, a_pipe_that_is_full_parks_its_writer_until_it_is_read) {
    static constexpr int size = test::scaled(2'000'000, 500'000);
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        const auto writer = test::anywhere([to = to] {
            miou_unix::write(to, numbered_bytes{}.from(0, size));
            miou_unix::close(to);
        });
        EXPECT_EQ(test::receive_numbered(from, numbered_bytes{}), size);
        miou::await_exn(writer);
    });
}

TEST(stream, a_half_closed_end_still_receives) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [client, server] = test::tcp_pair();
        test::send_numbered(client, numbered_bytes{1}, 1000);
        EXPECT_EQ(test::receive_numbered(server, numbered_bytes{1}), 1000);
        test::send_numbered(server, numbered_bytes{2}, 1000);
        EXPECT_EQ(test::receive_numbered(client, numbered_bytes{2}), 1000);
    });
}

TEST(stream, the_end_stays_the_end) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [client, server] = test::tcp_pair();
        miou_unix::write(client, "xy");
        miou_unix::close(client);
        char two[2];
        EXPECT_EQ(miou_unix::read(server, two), 2u);
        for (int i = 0; i < 3; ++i)
            EXPECT_EQ(miou_unix::read(server, two), 0u);
    });
}

TEST(stream, the_end_stays_the_end_after_a_wait_for_it) {
    miou_unix::run({.domains = domains()}, [] {
        for (const auto& [from, to] : {test::pipe(), test::socket_pair(), test::tcp_pair()}) {
            const auto reader = test::anywhere([f = from] {
                char three[3];
                EXPECT_EQ(miou_unix::read(f, three), 2u);
                for (int i = 0; i < 10; ++i)
                    EXPECT_EQ(miou_unix::read(f, three), 0u);
            });
            miou_unix::sleep(0.001); // most likely the reader waits by now
            miou_unix::write(to, "xy");
            miou_unix::sleep(0.001);
            miou_unix::close(to);
            miou::await_exn(reader);
        }
    });
}

TEST(stream, its_end_wakes_every_waiting_task) {
    miou_unix::run({.domains = domains()}, [] {
        for (const auto& [from, to] : {test::pipe(), test::socket_pair(), test::tcp_pair()}) {
            std::vector<miou::promise<std::size_t>> readers;
            for (int i = 0; i < 10; ++i) {
                const auto read = [f = from] {
                    char byte[1];
                    return miou_unix::read(f, byte);
                };
                readers.push_back(i % 2 == 0 ? miou::async(read) : test::anywhere(read));
            }
            miou_unix::sleep(0.001);
            miou_unix::close(to);
            for (const auto& each : miou::await_all(readers))
                EXPECT_EQ(each.value(), 0u);
        }
    });
}

TEST(stream, a_reset_wakes_a_parked_reader) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [client, server] = test::tcp_pair();
        const auto reader = test::anywhere([f = server] {
            char byte[1];
            return error_of([&] { EXPECT_EQ(miou_unix::read(f, byte), 0u); });
        });
        miou::yield();
        test::reset(client);
        EXPECT_EQ(miou::await_exn(reader), errc::connection_reset);
        for (int i = 0; i < 10;
             ++i) { // the error has been reported once; after it the stream is at its end
            char byte[1];
            EXPECT_EQ(miou_unix::read(server, byte), 0u);
        }
        EXPECT_NE(error_of([f = server] { miou_unix::write(f, "x"); }), errc::success);
    });
}

TEST(stream, a_reset_wakes_a_parked_writer) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [client, server] = test::tcp_pair();
        const auto writer = test::anywhere([f = server] {
            const std::string block(100'000, 'x');
            return error_of([&] {
                for (;;)
                    miou_unix::write(f, block);
            });
        });
        char byte[1];
        miou_unix::really_read(client, byte);
        miou_unix::close(client); // closing with unread data resets the connection
        const auto error = miou::await_exn(writer);
        EXPECT_TRUE(error == errc::connection_reset || error == errc::broken_pipe) << error;
    });
}

TEST(stream, a_broken_one_is_an_error_and_not_a_signal) {
    ASSERT_NE(std::signal(SIGPIPE, SIG_DFL), SIG_ERR);
    miou_unix::run({.domains = domains()}, [] {
        for (const auto& [from, to] : {test::socket_pair(), test::pipe()}) {
            miou_unix::close(from);
            for (int i = 0; i < 3; ++i)
                EXPECT_EQ(error_of([f = to] { miou_unix::write(f, "x"); }), errc::broken_pipe);
        }
    });
    ::sigset_t pending;
    ::sigpending(&pending);
    EXPECT_FALSE(::sigismember(&pending, SIGPIPE));
}

TEST(stream, a_break_of_the_stream_wakes_a_parked_writer) {
    miou_unix::run({.domains = domains()}, [] {
        for (const auto& [from, to] : {test::socket_pair(), test::pipe()}) {
            const auto writer = test::anywhere([f = to] {
                return error_of([&] { miou_unix::write(f, std::string(3'000'000, 'x')); });
            });
            char byte[1];
            miou_unix::really_read(from, byte);
            miou_unix::close(from);
            const auto error = miou::await_exn(writer);
            EXPECT_TRUE(error == errc::broken_pipe || error == errc::connection_reset) << error;
        }
    });
}

TEST(really_read, throws_eof_when_the_stream_ends_before) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        miou_unix::write(to, "abc");
        miou_unix::close(to);
        char buffer[4] = {};
        EXPECT_EQ(error_of([&, f = from] { miou_unix::really_read(f, buffer); }),
                  boost::asio::error::make_error_code(boost::asio::error::eof));
        EXPECT_EQ(std::string(buffer, 3), "abc");
    });
}

TEST(really_read, puts_pieces_together) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        const auto writer = test::anywhere([f = to] {
            for (int i = 0; i < 100; ++i) {
                miou_unix::write(f, numbered_bytes{}.from(i * 10, 10));
                miou::yield();
            }
        });
        std::string all(1000, '\0');
        miou_unix::really_read(from, all);
        EXPECT_EQ(all, numbered_bytes{}.from(0, 1000));
        miou::await_exn(writer);
    });
}

TEST(addresses, getsockname_tells_the_port_that_the_system_chose) {
    const auto listening = test::listen_on_loopback();
    const auto address = miou_unix::getsockname(listening);
    EXPECT_NE(address.port(), 0);
    std::ostringstream text;
    text << address;
    EXPECT_EQ(text.str(), "127.0.0.1:" + std::to_string(address.port()));
    EXPECT_EQ(boost::asio::ip::tcp::endpoint{address}.port(), address.port());
}

TEST(addresses, accept_tells_the_peer) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = test::listen_on_loopback();
        const auto client = miou_unix::tcpv4();
        miou_unix::connect(client, miou_unix::getsockname(listening));
        EXPECT_EQ(miou_unix::accept(listening).second.to_string(),
                  miou_unix::getsockname(client).to_string());
    });
}

TEST(addresses, a_port_in_use_is_an_error) {
    const auto first = miou_unix::tcpv4();
    miou_unix::bind_and_listen({.reuseport = false}, first, test::loopback());
    const auto second = miou_unix::tcpv4();
    EXPECT_EQ(error_of([&] {
                  miou_unix::bind_and_listen({.reuseport = false}, second,
                                             miou_unix::getsockname(first));
              }),
              errc::address_in_use);
}

TEST(addresses, servers_that_agree_share_a_port) {
    const auto first = test::listen_on_loopback();
    const auto second = miou_unix::tcpv4();
    miou_unix::bind_and_listen(second, miou_unix::getsockname(first));
    EXPECT_EQ(miou_unix::getsockname(second).port(), miou_unix::getsockname(first).port());
}

TEST(accept, gives_descriptors_that_programs_inherit_only_on_request) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = test::listen_on_loopback();
        for (const bool cloexec : {true, false}) {
            const auto client = miou_unix::tcpv4();
            miou_unix::connect(client, miou_unix::getsockname(listening));
            const auto accepted = miou_unix::accept({.cloexec = cloexec}, listening).first;
            const int flags = ::fcntl(miou_unix::to_file_descr(accepted), F_GETFD);
            EXPECT_EQ((flags & FD_CLOEXEC) != 0, cloexec);
        }
    });
}

TEST(accept, several_domains_accept_on_one_descriptor) {
    static constexpr int count = test::scaled(200, 60);
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = test::listen_on_loopback(1024);
        std::vector<miou::promise<void>> servers;
        for (int i = 0; i < count; ++i) // each task accepts one
            servers.push_back(i % 2 == 0 ? miou::async([&] { echo_once(listening); })
                                         : test::anywhere([&] { echo_once(listening); }));
        std::vector<miou::promise<void>> clients;
        for (int i = 0; i < count; ++i)
            clients.push_back(test::anywhere([&listening, i] {
                const auto client = miou_unix::tcpv4();
                miou_unix::connect(client, miou_unix::getsockname(listening));
                test::send_numbered(client, numbered_bytes(i), 3000);
                EXPECT_EQ(test::receive_numbered(client, numbered_bytes(i)), 3000);
            }));
        for (const auto& each : miou::await_all(clients))
            each.value();
        for (const auto& each : miou::await_all(servers))
            each.value();
    });
}

TEST(read, many_tasks_on_one_descriptor_share_the_bytes) {
    static constexpr int count = test::scaled(20'000, 4'000);
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        std::vector<miou::promise<int>> readers;
        for (int i = 0; i < 20; ++i) {
            const auto reader = [f = from] {
                int sum = 0;
                char buffer[7];
                while (const std::size_t length = miou_unix::read(f, buffer))
                    sum += static_cast<int>(length);
                return sum;
            };
            readers.push_back(i % 2 == 0 ? miou::async(reader) : test::anywhere(reader));
        }
        for (int i = 0; i < count; ++i) {
            miou_unix::write(to, "x");
            if (i % 50 == 0)
                miou::yield();
        }
        miou_unix::close(to);
        int sum = 0;
        for (auto& each : miou::await_all(readers))
            sum += each.value();
        EXPECT_EQ(sum, count);
    });
}

// After a read that found something at once and filled its buffer, the next read is tried at once,
// in the task.

TEST(read, after_full_buffers_later_data_present_data_and_the_end_are_found) {
    static constexpr std::size_t full = 4;
    const auto read_full = [](const miou_unix::file_descr& f, std::size_t place) {
        char buffer[full];
        EXPECT_EQ(miou_unix::read(f, buffer), full);
        EXPECT_TRUE(numbered_bytes{}.matches(buffer, full, place));
    };
    miou_unix::run({.domains = domains()}, [&] {
        for (std::size_t vain = 0; vain < 40; ++vain)
            for (const auto& [from, to] : {test::pipe(), test::socket_pair(), test::tcp_pair()}) {
                std::size_t place = 0;
                for (std::size_t i = 0; i < vain; ++i, place += full) {
                    const auto writer = test::anywhere([place, f = to] {
                        miou::yield();
                        miou_unix::write(f, numbered_bytes{}.from(place, full));
                    });
                    read_full(from, place);
                    miou::await_exn(writer);
                }
                miou_unix::write(to, numbered_bytes{}.from(place, 20 * full));
                miou_unix::close(to);
                for (int i = 0; i < 20; ++i, place += full)
                    read_full(from, place);
                char buffer[full];
                EXPECT_EQ(miou_unix::read(from, buffer), 0u);
            }
    });
}

// In a crowd of reads, the reactor tries each read itself before it asks Asio.

/// Calls `fn` while many tasks read what they have written.
template <class F>
void in_a_crowd_of_reads(F fn) {
    bool over = false;
    std::vector<miou::promise<void>> crowd;
    for (int i = 0; i < 16; ++i)
        crowd.push_back(miou::async([&over] {
            const auto ends = test::socket_pair();
            while (!over)
                test::write_and_read(ends);
        }));
    fn();
    over = true;
    for (const auto& each : crowd)
        miou::await_exn(each);
}

TEST(read_in_a_crowd, waits_for_data) {
    miou_unix::run({.domains = domains()}, [] {
        for (const auto& [from, to] : {test::pipe(), test::socket_pair(), test::tcp_pair()})
            in_a_crowd_of_reads([f = from, t = to] {
                for (int i = 0; i < 100; ++i) {
                    const auto writer = test::anywhere([t] {
                        miou_unix::sleep(1e-4);
                        miou_unix::write(t, "abc");
                    });
                    std::array<char, 8> buffer;
                    EXPECT_EQ(miou_unix::read(f, buffer), 3u);
                    miou::await_exn(writer);
                }
            });
    });
}

TEST(read_in_a_crowd, finds_the_end) {
    miou_unix::run({.domains = domains()}, [] {
        for (const auto& [from, to] : {test::pipe(), test::socket_pair(), test::tcp_pair()})
            in_a_crowd_of_reads([f = from, t = to] {
                test::write_and_read({f, t});
                miou_unix::close(t);
                char two[2];
                for (int i = 0; i < 3; ++i)
                    EXPECT_EQ(miou_unix::read(f, two), 0u);
            });
    });
}

TEST(read_in_a_crowd, reports_a_reset) {
    miou_unix::run({.domains = domains()}, [] {
        in_a_crowd_of_reads([] {
            for (int i = 0; i < 10; ++i) {
                const auto [client, server] = test::tcp_pair();
                test::write_and_read({server, client});
                test::reset(client);
                char two[2];
                EXPECT_EQ(error_of([&, f = server] { static_cast<void>(miou_unix::read(f, two)); }),
                          errc::connection_reset);
            }
        });
    });
}

TEST(read_in_a_crowd, fills_pieces_in_order) {
    miou_unix::run({.domains = domains()}, [] {
        for (const auto& [from, to] : {test::pipe(), test::socket_pair(), test::tcp_pair()})
            in_a_crowd_of_reads([f = from, t = to] {
                miou_unix::write(t, "abcd");
                char one[1], three[3], rest[9];
                EXPECT_EQ(miou_unix::read(f, std::array{boost::asio::buffer(one),
                                                        boost::asio::buffer(three),
                                                        boost::asio::buffer(rest)}),
                          4u);
                EXPECT_EQ(std::string(one, 1) + std::string(three, 3), "abcd");
            });
    });
}

} // namespace
