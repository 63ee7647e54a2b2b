// In steady state input, output and timers allocate nothing.

#include "support/allocations.hpp"
#include "support/domains.hpp"
#include "support/io.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <span>

namespace {

using test::allocations_of;
using test::domains;

constexpr int rounds = 1000;

void echo(const miou_unix::file_descr& f) {
    char buffer[64];
    while (const std::size_t length = miou_unix::read(f, buffer))
        miou_unix::write(f, std::span{buffer, length});
}

/// How many allocations a thousand round trips make, after a thousand others. `spawn` starts the
/// echo.
template <class Spawn>
std::size_t of_an_echo(Spawn spawn) {
    return miou_unix::run({.domains = domains()}, [&] {
        auto [client, server] = test::socket_pair();
        auto echoing = spawn([f = server] { echo(f); });
        const auto loop = [&, client = client] {
            char buffer[64] = "hello";
            for (int i = 0; i < rounds; ++i) {
                miou_unix::write(client, std::span{buffer});
                miou_unix::really_read(client, buffer);
            }
        };
        loop();
        const std::size_t made = allocations_of(loop);
        miou_unix::close(client);
        miou::await_exn(echoing);
        return made;
    });
}

TEST(io_allocation, reading_and_writing_allocate_nothing) {
    EXPECT_EQ(of_an_echo([](auto fn) { return miou::async(std::move(fn)); }), 0u);
}

TEST(io_allocation, reading_and_writing_between_domains_allocate_nothing) {
    EXPECT_EQ(of_an_echo([](auto fn) { return test::anywhere(std::move(fn)); }), 0u);
}

TEST(io_allocation, datagrams_allocate_nothing) {
    EXPECT_EQ(miou_unix::run({.domains = domains()},
                             [] {
                                 const auto f = miou_unix::udpv4();
                                 miou_unix::bind_and_listen(f, test::loopback());
                                 const auto address = miou_unix::getsockname(f);
                                 const auto loop = [&] {
                                     for (int i = 0; i < rounds; ++i) {
                                         auto receiver = miou::async([&] {
                                             char buffer[64];
                                             miou_unix::recvfrom(f, buffer);
                                         });
                                         miou::yield(); // the task parks
                                         miou_unix::sendto(f, "hello", address);
                                         miou::await_exn(receiver);
                                     }
                                 };
                                 loop();
                                 return allocations_of(loop);
                             }),
              0u);
}

TEST(io_allocation, a_sleep_allocates_nothing) {
    EXPECT_EQ(miou_unix::run({.domains = domains()},
                             [] {
                                 const auto loop = [] {
                                     for (int i = 0; i < rounds; ++i)
                                         miou_unix::sleep(1e-6);
                                 };
                                 loop();
                                 return allocations_of(loop);
                             }),
              0u);
}

TEST(io_allocation, waking_a_domain_that_waits_for_its_system_allocates_nothing) {
    EXPECT_EQ(miou_unix::run({.domains = domains()},
                             [] {
                                 const auto loop = [] {
                                     for (int i = 0; i < rounds; ++i)
                                         miou::await_exn(test::anywhere([] {}));
                                 };
                                 loop();
                                 return allocations_of(loop);
                             }),
              0u);
}

TEST(io_allocation, limits_allocate_nothing) {
    EXPECT_EQ(miou_unix::run({.domains = domains()},
                             [] {
                                 const miou_unix::stop_request stop;
                                 const auto loop = [&] {
                                     for (int i = 0; i < rounds; ++i) {
                                         miou_unix::with_timeout(std::chrono::hours{1},
                                                                 [] { miou::yield(); });
                                         miou_unix::until(stop, [] { miou::yield(); });
                                     }
                                 };
                                 loop();
                                 return allocations_of(loop);
                             }),
              0u);
}

} // namespace
