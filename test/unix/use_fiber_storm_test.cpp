// Operations of Asio that are cancelled at random moments.

#include "support/asio.hpp"
#include "support/process.hpp"
#include "support/reactor.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>

namespace {

namespace asio = boost::asio;
using miou_unix::use_fiber;
using test::asio_connection;
using test::on_reactor;

/// Cancels tasks that repeat `call`, at random moments: before, between and after its steps.
void storm(const std::function<void()>& call) {
    const std::size_t before = test::open_descriptors();
    std::minstd_rand random{7};
    const int rounds = test::scaled(20'000, 500);
    for (int i = 0; i < rounds; ++i) {
        const auto task = test::anywhere([&] {
            for (;;)
                call();
        });
        for (auto steps = random() % 4; steps != 0; --steps)
            miou::yield();
        miou::cancel(task);
    }
    EXPECT_EQ(test::open_descriptors(), before);
}

TEST(use_fiber_storm, timers) {
    on_reactor([] {
        storm([] {
            asio::steady_timer soon{miou_unix::executor(), std::chrono::microseconds{50}};
            soon.async_wait(use_fiber);
        });
    });
}

TEST(use_fiber_storm, connect_accept_read_and_write) {
    on_reactor([] {
        storm([] {
            auto [client, server] = asio_connection();
            asio::async_write(client, asio::buffer("ping", 4), use_fiber);
            char data[4];
            asio::async_read(server, asio::buffer(data), use_fiber);
        });
    });
}

TEST(use_fiber_storm, composed_operations_that_never_end) {
    on_reactor([] {
        storm([] {
            auto [client, server] = asio_connection();
            char data[100];
            asio::async_write(client, asio::buffer("ping", 4), use_fiber);
            asio::async_read(server, asio::buffer(data), use_fiber);
        });
    });
}

} // namespace
