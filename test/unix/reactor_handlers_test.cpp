// Handlers that the user posts to the executor of a domain.

#include "support/domains.hpp"
#include "support/io.hpp"

#include "miou/promise.hpp"
#include "miou_unix/executor.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <stdexcept>

namespace {

using test::domains;

void post_failure() {
    boost::asio::post(miou_unix::executor(), [] { throw std::runtime_error{"handler"}; });
}

TEST(reactor_handlers, one_that_throws_ends_the_run_and_every_task_unwinds) {
    for (const bool begun : {false, true}) {
        bool unwound = false;
        EXPECT_THROW(miou_unix::run({.domains = domains()},
                                    [&] {
                                        const auto [from, to] = test::socket_pair();
                                        const auto reader = miou::async([&, f = from] {
                                            char byte[1];
                                            try {
                                                static_cast<void>(miou_unix::read(f, byte));
                                            } catch (const miou::cancelled&) {
                                                unwound = true;
                                                throw;
                                            }
                                        });
                                        if (begun)
                                            miou_unix::sleep(0.001);
                                        for (int i = 0; i < 10; ++i)
                                            post_failure();
                                        miou::await_exn(reader);
                                    }),
                     std::runtime_error);
        EXPECT_TRUE(unwound);
    }
}

TEST(reactor_handlers, one_that_throws_loses_nothing_that_a_task_has_read) {
    for (const bool begun : {false, true}) {
        std::size_t got = 0;
        EXPECT_THROW(miou_unix::run({.domains = domains()},
                                    [&] {
                                        const auto [from, to] = test::socket_pair();
                                        const auto reader = miou::async([&, f = from] {
                                            miou::uncancellable([&] {
                                                char two[2];
                                                got = miou_unix::read(f, two);
                                            });
                                        });
                                        if (begun)
                                            miou_unix::sleep(0.001);
                                        else
                                            miou::yield();
                                        miou_unix::write(to, "x");
                                        post_failure();
                                        miou::await_exn(reader);
                                    }),
                     std::runtime_error);
        EXPECT_EQ(got, 1u);
    }
}

TEST(reactor_handlers, may_be_run_by_a_task) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::socket_pair();
        std::size_t got = 0;
        const auto reader = miou::async([&, f = from] {
            char two[2];
            got = miou_unix::read(f, two);
        });
        miou_unix::sleep(0.001);
        miou_unix::write(to, "x");
        miou_unix::executor().context().poll();
        miou::cancel(reader); // too late: nothing is lost
        EXPECT_EQ(got, 1u);
    });
}

} // namespace
