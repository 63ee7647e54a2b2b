// Datagrams: each arrives whole or not at all, and a call parks only its task.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/hook.hpp"
#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

namespace {

using test::bound_local_socket;
using test::bound_udp_socket;
using test::domains;
using test::error_in;
using test::error_of;
using test::failed_with;
using test::receive;
namespace errc = boost::system::errc;
namespace owned = miou_unix::ownership;

std::string in_capitals(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
}

TEST(datagram, an_echo_comes_back) { // Miou_unix test03
    miou_unix::run({.domains = domains()}, [] {
        const auto [server, address] = bound_udp_socket();
        const std::string payload = "hello, world!";
        const auto serving = miou::async([f = server] {
            char buffer[0x100];
            const auto [length, client] = miou_unix::recvfrom(f, buffer);
            const std::string message{buffer, length};
            return std::pair{message, miou_unix::sendto(f, in_capitals(message), client)};
        });
        const auto asking = miou::async([&, to = address] {
            const auto client = miou_unix::udpv4();
            const std::size_t sent = miou_unix::sendto(client, payload, to);
            const std::string reply = receive(client);
            miou_unix::close(client);
            return std::pair{sent, reply};
        });
        EXPECT_EQ(miou::await_exn(serving), std::pair(payload, payload.size()));
        EXPECT_EQ(miou::await_exn(asking), std::pair(payload.size(), in_capitals(payload)));
        miou_unix::close(server);
    });
}

TEST(datagram, ipv6_works_like_ipv4) {
    miou_unix::run({.domains = domains()}, [] {
        const auto server = miou_unix::udpv6();
        miou_unix::bind_and_listen(server, test::loopback_v6());
        const auto serving = test::anywhere([&] {
            char buffer[10];
            const auto [length, client] = miou_unix::recvfrom(server, buffer);
            miou_unix::sendto(server, client.to_string(), client);
        });
        const auto client = miou_unix::udpv6();
        miou_unix::sendto(client, "who am I?", miou_unix::getsockname(server));
        const auto port = miou_unix::getsockname(client).port();
        EXPECT_EQ(receive(client), "[::1]:" + std::to_string(port));
        miou::await_exn(serving);
    });
}

TEST(datagram, waiting_for_one_parks_only_the_calling_task) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_udp_socket();
        bool received = false;
        const auto receiver = miou::async([&, g = f] {
            EXPECT_EQ(receive(g), "x");
            received = true;
        });
        for (int i = 0; i < 10; ++i)
            miou::yield();
        miou_unix::sleep(0.001);
        EXPECT_FALSE(received);
        miou_unix::sendto(f, "x", address);
        miou::await_exn(receiver);
    });
}

TEST(datagram, an_empty_one_is_not_the_end) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_udp_socket();
        const auto receiver = test::anywhere([g = f] {
            std::vector<std::string> all;
            while (all.size() < 4)
                all.push_back(receive(g));
            return all;
        });
        for (const char* each : {"", "a", "", "b"})
            EXPECT_EQ(miou_unix::sendto(f, each, address), std::string{each}.size());
        EXPECT_EQ(miou::await_exn(receiver), (std::vector<std::string>{"", "a", "", "b"}));
    });
}

TEST(datagram, the_part_that_does_not_fit_is_lost_and_the_next_one_is_whole) {
    miou_unix::run({.domains = domains()}, [] {
        for (const auto& [f, address] : {bound_udp_socket(), bound_local_socket()}) {
            miou_unix::sendto(f, "first", address);
            miou_unix::sendto(f, "second", address);
            miou_unix::sendto(f, "third", address);
            char two[2];
            EXPECT_EQ(miou_unix::recvfrom(f, two).first, 2u);
            EXPECT_EQ(std::string(two, 2), "fi");
            EXPECT_EQ(miou_unix::recvfrom(f, two, {}, MSG_TRUNC).first, 6u)
                << "the length of the whole datagram";
            EXPECT_EQ(std::string(two, 2), "se");
            EXPECT_EQ(receive(f), "third");
        }
    });
}

TEST(datagram, a_receive_into_an_empty_buffer_removes_one) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_udp_socket();
        miou_unix::sendto(f, "first", address);
        miou_unix::sendto(f, "second", address);
        EXPECT_EQ(miou_unix::recvfrom(f, std::span<char>{}).first, 0u);
        EXPECT_EQ(receive(f), "second");
    });
}

TEST(datagram, a_peek_leaves_it_in_the_queue) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_udp_socket();
        miou_unix::sendto(f, "x", address);
        char buffer[10];
        EXPECT_EQ(miou_unix::recvfrom(f, buffer, {}, MSG_PEEK | MSG_TRUNC).first, 1u);
        EXPECT_EQ(miou_unix::recvfrom(f, buffer).second.port(), address.port());
    });
}

TEST(datagram, only_the_slice_is_sent_and_filled) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_udp_socket();
        EXPECT_EQ(miou_unix::sendto(f, "0123456789", address, {.off = 2, .len = 5}), 5u);
        std::string buffer = "..........";
        EXPECT_EQ(miou_unix::recvfrom(f, buffer, {.off = 1, .len = 3}).first, 3u);
        EXPECT_EQ(buffer, ".234......");
    });
}

TEST(datagram, the_largest_one_arrives_and_a_larger_one_is_refused) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_udp_socket();
        const std::size_t most = 65535 - 20 - 8; // of IPv4, without the headers
        const std::string bytes = test::numbered_bytes{}.from(0, most + 1);
        EXPECT_EQ(error_of([&, to = address, g = f] { miou_unix::sendto(g, bytes, to); }),
                  errc::message_size);
        EXPECT_EQ(miou_unix::sendto(f, bytes, address, {.len = most}), most);
        std::string received(most + 1, '\0');
        EXPECT_EQ(miou_unix::recvfrom(f, received).first, most);
        EXPECT_TRUE(test::numbered_bytes{}.matches(received.data(), most, 0));
    });
}

TEST(datagram, each_goes_to_one_of_the_waiting_tasks_of_all_domains) {
    static constexpr int receivers = 10;
    static constexpr int each_receives = test::scaled(200, 50);
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_local_socket();
        std::array<std::atomic<int>, receivers * each_receives> received{};
        std::vector<miou::promise<void>> tasks;
        for (int i = 0; i < receivers; ++i) {
            const auto take = [&, g = f] {
                for (int k = 0; k < each_receives; ++k)
                    ++received[static_cast<std::size_t>(std::stoi(receive(g)))];
            };
            tasks.push_back(i % 2 == 0 ? miou::async(take) : test::anywhere(take));
        }
        for (int half : {0, 1}) // two senders, which have to wait for room
            tasks.push_back(test::anywhere([&, half, to = address] {
                const auto sender = bound_local_socket().first;
                for (std::size_t i = 0; i < received.size(); ++i)
                    if (i % 2 == static_cast<std::size_t>(half))
                        miou_unix::sendto(sender, std::to_string(i), to);
            }));
        for (const auto& each : miou::await_all(tasks))
            each.value();
        EXPECT_TRUE(std::ranges::all_of(received, [](const auto& times) { return times == 1; }));
    });
}

/// Starts a task that sends until it has to wait for room, and counts what it has sent.
miou::promise<void> fill(const miou_unix::file_descr& from, const miou_unix::sockaddr& to,
                         int& sent) {
    auto sender = miou::async([&sent, from, to] {
        for (;; ++sent)
            miou_unix::sendto(from, "x", to);
    });
    for (int before = -1; before != sent;) {
        before = sent;
        for (int i = 0; i < 200; ++i)
            miou::yield();
    }
    return sender;
}

TEST(datagram, a_sender_that_waits_for_room_sleeps_and_is_woken) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_local_socket();
        const auto from = bound_local_socket().first;
        int sent = 0;
        const auto sender = fill(from, address, sent);
        ASSERT_GT(sent, 0);
        int steps = 0;
        auto counter = miou::hook::add([&] { ++steps; });
        miou_unix::sleep(0.1);
        counter.remove();
        EXPECT_LT(steps, 50) << "it spins";
        const int full = sent;
        for (int i = 0; i < 3 * full; ++i)
            EXPECT_EQ(receive(f), "x");
        EXPECT_GT(sent, full);
        miou::cancel(sender);
    });
}

TEST(datagram, a_sender_that_waits_for_room_is_told_that_the_receiver_is_gone) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_local_socket();
        const auto from = bound_local_socket().first;
        int sent = 0;
        const auto sender = fill(from, address, sent);
        miou_unix::close(f);
        EXPECT_EQ(error_in(miou::await(sender)), errc::connection_refused);
    });
}

TEST(datagram, a_sender_that_waits_for_room_is_woken_by_cancellation_and_by_close) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_local_socket();
        const auto from = bound_local_socket().first;
        int sent = 0;
        const auto first = fill(from, address, sent);
        const auto second = fill(from, address, sent);
        miou::cancel(first);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(first)));
        miou_unix::close(from);
        EXPECT_EQ(error_in(miou::await(second)), errc::bad_file_descriptor);
    });
}

TEST(datagram, one_whose_receiver_is_cancelled_at_any_time_is_not_lost) {
    static constexpr int count = test::scaled(2'000, 400);
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_local_socket();
        const auto sender = test::anywhere([to = address] {
            const auto from = bound_local_socket().first;
            for (int i = 0; i < count; ++i) {
                miou_unix::sendto(from, std::to_string(i), to);
                if (i % 7 == 0)
                    miou::yield();
            }
        });
        int next = 0;
        for (int turn = 0; next < count; ++turn) {
            const auto receiver = test::anywhere([&, g = f] {
                while (next < count) {
                    EXPECT_EQ(receive(g), std::to_string(next));
                    ++next; // only now: a cancelled call has received nothing
                }
            });
            for (int i = 0; i < turn % 40; ++i)
                miou::yield();
            miou::cancel(receiver);
        }
        miou::await_exn(sender);
    });
}

TEST(datagram, closing_wakes_the_waiting_tasks) {
    miou_unix::run({.domains = domains()}, [] {
        for (int i = 0; i < 20; ++i) {
            const auto f = bound_udp_socket().first;
            std::atomic<bool> begun = false;
            const auto here = miou::async([&] { receive(f); });
            const auto there = test::anywhere([&] {
                begun = true;
                receive(f);
            });
            test::yield_until([&] { return begun.load(); });
            miou_unix::close(f);
            EXPECT_EQ(error_in(miou::await(here)), errc::bad_file_descriptor);
            EXPECT_EQ(error_in(miou::await(there)), errc::bad_file_descriptor);
            EXPECT_EQ(error_of([&] { receive(f); }), errc::bad_file_descriptor);
            EXPECT_EQ(error_of([&] { miou_unix::sendto(f, "x", test::loopback(9)); }),
                      errc::bad_file_descriptor);
        }
    });
}

TEST(datagram, a_call_that_never_parks_can_be_cancelled) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_udp_socket();
        const auto sender = test::anywhere([g = f, to = address] {
            for (;;)
                miou_unix::sendto(g, "x", to);
        });
        for (int i = 0; i < 10; ++i)
            miou::yield();
        miou::cancel(sender);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(sender)));
    });
}

TEST(datagram, a_socket_that_stays_in_blocking_mode_parks_only_the_task) {
    miou_unix::run({.domains = domains()}, [] {
        const auto f = miou_unix::of_file_descr({.non_blocking = false},
                                                ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        miou_unix::bind_and_listen(f, test::loopback());
        const auto receiver = miou::async([&] { return receive(f); });
        miou::yield();
        miou_unix::sendto(f, "x", miou_unix::getsockname(f));
        EXPECT_EQ(miou::await_exn(receiver), "x");
    });
}

TEST(datagram, a_sender_without_a_name_has_an_unspecified_address) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, address] = bound_local_socket();
        const auto nameless =
            miou_unix::of_file_descr(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        miou_unix::sendto(nameless, "x", address);
        char byte[1];
        EXPECT_EQ(miou_unix::recvfrom(f, byte).second.to_string(), "unspecified");
        miou_unix::sendto(f, "y", address);
        EXPECT_EQ(miou_unix::recvfrom(f, byte).second.to_string(), address.to_string());
    });
}

TEST(datagram, an_owned_socket_serves_only_its_owner) {
    miou_unix::run({.domains = domains()}, [] {
        const auto f = owned::udpv4();
        owned::bind_and_listen(f, test::loopback());
        const auto address = miou_unix::getsockname(f.checked());
        char byte[1];
        const auto intruder = test::anywhere([&] {
            EXPECT_THROW(owned::recvfrom(f, byte), miou::not_owner);
            EXPECT_THROW(owned::sendto(f, "x", address), miou::not_owner);
        });
        miou::await_exn(intruder);
        EXPECT_EQ(owned::sendto(f, "x", address), 1u);
        EXPECT_EQ(owned::recvfrom(f, byte).first, 1u);
        owned::close(f);
        const auto v6 = owned::udpv6();
        EXPECT_EQ(miou_unix::getsockname(v6.checked()).family(), AF_INET6);
        owned::close(v6);
    });
}

} // namespace
