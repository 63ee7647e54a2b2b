// Descriptors that a task owns: no other task can use them, and they never stay open by mistake.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/tasks.hpp"

#include "miou/orphans.hpp"
#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using test::domains;
using test::error_of;
using test::failed_with;
namespace errc = boost::system::errc;
namespace owned = miou_unix::ownership;

/// A pipe. The running task owns the end to write to.
struct half_owned_pipe {
    half_owned_pipe()
        : half_owned_pipe{test::raw_pipe()} {}
    explicit half_owned_pipe(std::pair<int, int> raw)
        : from{miou_unix::of_file_descr(raw.first)}
        , to{owned::of_file_descr(raw.second)} {}
    miou_unix::file_descr from;
    owned::file_descr to;
};

TEST(owned_descriptor, serves_its_owner) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = owned::tcpv4();
        owned::bind_and_listen(listening, test::loopback());
        const auto address = miou_unix::getsockname(listening.checked());
        const auto server = miou::async({.give = {listening.resource()}}, [listening] {
            const auto [client, peer] = owned::accept(listening);
            char buffer[10];
            while (const std::size_t length = owned::read(client, buffer))
                owned::write(client, std::span{buffer, length});
            owned::close(client);
            owned::close(listening);
        });
        const auto client = test::anywhere([address] {
            const auto f = owned::tcpv4();
            owned::connect(f, address);
            owned::write(f, "hello");
            char answer[5];
            owned::really_read(f, answer);
            owned::close(f);
            return std::string(answer, 5);
        });
        EXPECT_EQ(miou::await_exn(client), "hello");
        miou::await_exn(server);
    });
}

TEST(owned_descriptor, refuses_every_other_task) {
    miou_unix::run({.domains = domains()}, [] {
        const auto f = owned::tcpv6();
        const auto intruder = test::anywhere([&] {
            char byte[1];
            const std::vector<std::function<void()>> calls{
                [&] { static_cast<void>(owned::read(f, byte)); },
                [&] { owned::really_read(f, byte); },
                [&] { owned::write(f, "x"); },
                [&] { owned::accept(f); },
                [&] { owned::accept({.cloexec = false}, f); },
                [&] { owned::connect(f, test::loopback_v6(9)); },
                [&] { owned::bind_and_listen(f, test::loopback_v6()); },
                [&] { owned::bind_and_listen({.backlog = 1}, f, test::loopback_v6()); },
                [&] { owned::close(f); },
                [&] { f.checked(); },
            };
            for (const auto& each : calls)
                EXPECT_THROW(each(), miou::not_owner);
        });
        miou::await_exn(intruder);
        EXPECT_GE(owned::to_file_descr(f), 0);
        owned::close(f);
    });
}

TEST(owned_descriptor, is_refused_after_it_was_closed) {
    miou_unix::run({.domains = domains()}, [] {
        const auto f = owned::tcpv4();
        owned::close(f);
        EXPECT_THROW(owned::write(f, "x"), miou::not_owner);
        EXPECT_THROW(owned::close(f), miou::not_owner);
        EXPECT_EQ(error_of([&] { owned::to_file_descr(f); }), errc::bad_file_descriptor);
    });
}

TEST(owned_descriptor, cannot_be_made_of_an_invalid_descriptor) {
    miou_unix::run({.domains = domains()}, [] {
        EXPECT_EQ(error_of([] { owned::of_file_descr(-1); }), errc::bad_file_descriptor);
    });
}

TEST(owned_descriptor, is_closed_when_its_owner_throws) {
    miou_unix::run({.domains = domains()}, [] {
        std::optional<miou_unix::file_descr>
            copy; // so that the owner closes it, and not the last handle
        const auto [from, raw] = test::raw_pipe();
        const auto owner = test::anywhere([&copy, raw = raw] {
            const auto to = owned::of_file_descr(raw);
            copy = to.unchecked();
            owned::write(to, "x");
            throw std::runtime_error{"oops"};
        });
        EXPECT_EQ(test::read_to_end(miou_unix::of_file_descr(from)), "x");
        EXPECT_TRUE(failed_with<std::runtime_error>(miou::await(owner)));
        EXPECT_EQ(error_of([&] { miou_unix::close(*copy); }), errc::bad_file_descriptor);
    });
}

TEST(owned_descriptor, is_closed_when_its_owner_is_cancelled) {
    miou_unix::run({.domains = domains()}, [] {
        for (int i = 0; i < 20; ++i) {
            half_owned_pipe p;
            const auto owner = miou::async({.give = {p.to.resource()}}, [&] {
                for (;;)
                    owned::write(p.to, std::string(1000, 'x'));
            });
            for (int k = 0; k < i; ++k)
                miou::yield();
            miou::cancel(owner);
            test::read_to_end(p.from); // returns, because the other end is closed
            EXPECT_EQ(error_of([&] { miou_unix::close(p.to.unchecked()); }),
                      errc::bad_file_descriptor);
        }
    });
}

TEST(owned_descriptor, is_closed_when_its_owner_never_ran) {
    miou_unix::run({.domains = domains()}, [] {
        const half_owned_pipe p;
        const auto owner = miou::async({.give = {p.to.resource()}}, [] {});
        miou::cancel(owner);
        EXPECT_EQ(test::read_to_end(p.from), "");
    });
}

TEST(owned_descriptor, that_is_forgotten_ends_the_run_and_is_closed) {
    std::optional<miou_unix::file_descr> copy;
    EXPECT_THROW(miou_unix::run({.domains = domains()},
                                [&] {
                                    const auto task =
                                        test::anywhere([&] { copy = owned::tcpv4().unchecked(); });
                                    miou::await_exn(task);
                                }),
                 miou::resource_leaked);
    ASSERT_TRUE(copy);
    EXPECT_EQ(error_of([&] { miou_unix::to_file_descr(*copy); }), errc::bad_file_descriptor);
}

TEST(owned_descriptor, that_the_root_forgets_is_a_leak) {
    EXPECT_THROW(miou_unix::run({.domains = domains()}, [] { const half_owned_pipe p; }),
                 miou::resource_leaked);
}

TEST(owned_descriptor, a_failure_of_a_call_leaves_it_to_its_owner) {
    miou_unix::run({.domains = domains()}, [] {
        const half_owned_pipe p;
        miou_unix::close(p.from);
        EXPECT_EQ(error_of([&] { owned::write(p.to, "x"); }), errc::broken_pipe);
        owned::close(p.to);
    });
}

TEST(owned_descriptor, is_handed_to_the_parent) {
    miou_unix::run({.domains = domains()}, [] {
        const auto child = test::anywhere([] {
            const half_owned_pipe p;
            owned::write(p.to, "from the child, ");
            p.to.resource().transfer();
            EXPECT_THROW(owned::write(p.to, "x"), miou::not_owner);
            return p;
        });
        const half_owned_pipe p = miou::await_exn(child);
        owned::write(p.to, "from the parent");
        owned::close(p.to);
        EXPECT_EQ(test::read_to_end(p.from), "from the child, from the parent");
    });
}

TEST(owned_descriptor, is_handed_to_a_child_on_another_domain) {
    miou_unix::run({.domains = test::at_least(1)}, [] {
        const half_owned_pipe p;
        const auto child = miou::call({.give = {owned::resource(p.to)}}, [p] {
            owned::write(p.to, "x");
            owned::close(p.to);
        });
        EXPECT_THROW(owned::write(p.to, "x"), miou::not_owner);
        EXPECT_EQ(test::read_to_end(p.from), "x");
        miou::await_exn(child);
    });
}

TEST(owned_descriptor, cannot_be_given_by_a_task_that_does_not_own_it) {
    miou_unix::run({.domains = domains()}, [] {
        const half_owned_pipe p;
        const auto thief = test::anywhere([&] {
            EXPECT_THROW(static_cast<void>(miou::async({.give = {p.to.resource()}}, [] {})),
                         miou::not_owner);
        });
        miou::await_exn(thief);
        owned::close(p.to);
    });
}

TEST(owned_descriptor, a_server_that_is_cancelled_closes_every_client) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = test::listen_on_loopback();
        const auto server = test::anywhere([&] {
            miou::orphans<void> clients;
            for (;;) {
                const auto [accepted, peer] = miou_unix::accept(listening);
                const owned::file_descr client{accepted};
                miou::async({.give = {client.resource()}}, clients, [client] {
                    owned::write(client, "x");
                    miou_unix::sleep(1e10);
                });
            }
        });
        std::vector<miou_unix::file_descr> sockets;
        for (int i = 0; i < 20; ++i) {
            sockets.push_back(miou_unix::tcpv4());
            miou_unix::connect(sockets.back(), miou_unix::getsockname(listening));
            char byte[1];
            miou_unix::really_read(sockets.back(), byte);
        }
        miou::cancel(server);
        for (const auto& each : sockets)
            EXPECT_EQ(test::read_to_end(each), "");
    });
}

} // namespace
