// What the process runs out of, and descriptors that it must leave in blocking mode.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/few_descriptors.hpp"
#include "support/io.hpp"
#include "support/tasks.hpp"

#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <string>
#include <thread>

namespace {

using test::domains;
using test::error_in;
using test::error_of;
namespace errc = boost::system::errc;
using namespace std::chrono_literals;

TEST(too_many_descriptors, a_socket_says_so) {
    const test::few_descriptors none_left;
    EXPECT_EQ(error_of([] { miou_unix::tcpv4(); }), errc::too_many_files_open);
    EXPECT_EQ(error_of([] { miou_unix::tcpv6(); }), errc::too_many_files_open);
}

TEST(too_many_descriptors, accept_says_so_and_the_connection_waits) {
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

TEST(too_many_descriptors, an_accept_that_waits_says_so_when_somebody_comes) {
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

TEST(too_many_descriptors, a_run_that_cannot_begin_says_so) {
    bool began = false;
    for (unsigned spare = 0; !began; ++spare) {
        const test::few_descriptors left{spare};
        const auto error =
            error_of([&] { miou_unix::run({.domains = domains()}, [&] { began = true; }); });
        EXPECT_EQ(error == errc::too_many_files_open, !began) << error << ", spare " << spare;
        ASSERT_LT(spare, 100u);
    }
}

/// Calls `rescue` if nobody says in time that the domain is alive.
class lifeguard {
public:
    explicit lifeguard(std::function<void()> rescue)
        : watch_{[this, fn = std::move(rescue)] {
            was_needed_ = alive_.get_future().wait_for(1s) != std::future_status::ready;
            if (was_needed_)
                fn();
        }} {}
    /// To be called once.
    void i_am_alive() { alive_.set_value(); }
    bool was_needed() {
        watch_.join();
        return was_needed_;
    }

private:
    std::promise<void> alive_;
    bool was_needed_ = false;
    std::jthread watch_;
};

TEST(blocking_mode, is_left_alone_if_that_is_wanted) {
    const auto [from, to] = test::raw_pipe();
    const auto blocking = miou_unix::of_file_descr({.non_blocking = false}, from);
    const auto other = miou_unix::of_file_descr(to);
    EXPECT_EQ(::fcntl(from, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(to, F_GETFL) & O_NONBLOCK, 0);
}

TEST(blocking_mode, a_read_parks_only_its_task) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::raw_pipe();
        const auto f = miou_unix::of_file_descr({.non_blocking = false}, from);
        lifeguard guard{[to = to] { EXPECT_EQ(::write(to, "x", 1), 1); }};
        const auto reader = miou::async([&] {
            char byte[1];
            miou_unix::really_read(f, byte);
        });
        miou::yield();
        guard.i_am_alive();
        EXPECT_FALSE(guard.was_needed());
        EXPECT_EQ(::write(to, "x", 1), 1);
        miou::await_exn(reader);
        EXPECT_EQ(::fcntl(from, F_GETFL) & O_NONBLOCK, 0) << "a read has changed the mode";
        ::close(to);
        EXPECT_EQ(test::read_to_end(f), "");
    });
}

TEST(blocking_mode, two_reads_at_a_time_park_only_their_tasks) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::raw_pipe();
        const auto f = miou_unix::of_file_descr({.non_blocking = false}, from);
        const auto read_one = [&] {
            char byte[1];
            miou_unix::really_read(f, byte);
        };
        const auto first = miou::async(read_one);
        const auto second = miou::async(read_one);
        miou::yield();
        lifeguard guard{[to = to] { EXPECT_EQ(::write(to, "x", 1), 1); }};
        EXPECT_EQ(::write(to, "x", 1), 1); // wakes both, for one of them
        miou::await_one({first, second}).value();
        miou_unix::sleep(0.001);
        guard.i_am_alive();
        if (!guard.was_needed())
            EXPECT_EQ(::write(to, "x", 1), 1);
        else
            ADD_FAILURE() << "the second read blocked its domain";
        miou::await_exn(first);
        miou::await_exn(second);
        ::close(to);
    });
}

TEST(blocking_mode, a_write_parks_only_its_task) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::raw_pipe();
        ASSERT_EQ(::fcntl(to, F_SETPIPE_SZ, 4096), 4096);
        const auto f = miou_unix::of_file_descr({.non_blocking = false}, to);
        const auto other = miou_unix::of_file_descr(from);
        std::string page(4096, 'x');
        miou_unix::write(f, page);
        lifeguard guard{[other, page]() mutable {
            EXPECT_GT(::read(miou_unix::to_file_descr(other), page.data(), page.size()), 0);
        }};
        const auto writer = miou::async([&] { miou_unix::write(f, page); });
        miou::yield();
        guard.i_am_alive();
        EXPECT_FALSE(guard.was_needed());
        miou_unix::really_read(other, page);
        miou::await_exn(writer);
        miou_unix::really_read(other, page);
    });
}

TEST(blocking_mode, an_accept_parks_only_its_task) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = miou_unix::of_file_descr(
            {.non_blocking = false}, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        miou_unix::bind_and_listen(listening, test::loopback());
        const auto address = miou_unix::getsockname(listening);
        const auto client = miou_unix::tcpv4();
        lifeguard guard{
            [&] { ::connect(miou_unix::to_file_descr(client), address.data(), address.size()); }};
        const auto accepting = miou::async([&] { miou_unix::accept(listening); });
        miou::yield();
        guard.i_am_alive();
        if (!guard.was_needed())
            miou_unix::connect(client, address);
        else
            ADD_FAILURE() << "accept blocked its domain";
        miou::await_exn(accepting);
    });
}

} // namespace
