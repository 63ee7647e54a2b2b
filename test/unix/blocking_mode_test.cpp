// Descriptors that stay in blocking mode: calls on them must not block the domain.

#include "support/domains.hpp"
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
using namespace std::chrono_literals;

/// Calls `rescue` unless it is told within a second that the domain still runs tasks.
class lifeguard {
public:
    explicit lifeguard(std::function<void()> rescue)
        : watch_{[this, fn = std::move(rescue)] {
            was_needed_ = alive_.get_future().wait_for(1s) != std::future_status::ready;
            if (was_needed_)
                fn();
        }} {}
    /// May be called once.
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

TEST(blocking_mode, is_left_alone_on_request) {
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

TEST(blocking_mode, two_reads_at_once_park_only_their_tasks) {
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
        EXPECT_EQ(::write(to, "x", 1), 1); // wakes both readers, and is enough for one
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
