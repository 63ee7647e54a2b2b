// Operations of Asio as plain calls.

#include "support/asio.hpp"
#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/reactor.hpp"
#include "support/sanitized.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using miou_unix::use_fiber;
using test::asio_connection;
using test::async_by;
using test::domains;
using test::on_reactor;

TEST(use_fiber, reads_and_writes_what_the_other_end_writes_and_reads) {
    on_reactor([] {
        auto [client, server] = asio_connection();
        const auto echo = miou::async([&] {
            char data[100];
            error_code error;
            for (;;) {
                const std::size_t got =
                    server.async_read_some(asio::buffer(data), use_fiber[error]);
                if (error)
                    return error;
                asio::async_write(server, asio::buffer(data, got), use_fiber);
            }
        });
        const std::string sent = test::numbered_bytes{}.from(0, 10'000);
        std::string back(sent.size(), '\0');
        const auto writer = miou::async([&] {
            EXPECT_EQ(asio::async_write(client, asio::buffer(sent), use_fiber), sent.size());
        });
        EXPECT_EQ(asio::async_read(client, asio::buffer(back), use_fiber), sent.size());
        EXPECT_EQ(back, sent);
        miou::await_exn(writer);
        client.close();
        EXPECT_EQ(miou::await_exn(echo), asio::error::eof);
    });
}

TEST(use_fiber, parks_only_the_calling_task) {
    on_reactor([] {
        auto [client, server] = asio_connection();
        bool ran = false;
        const auto other = miou::async([&, to = &server] {
            ran = true;
            asio::async_write(*to, asio::buffer("x", 1), use_fiber);
        });
        char byte = 0;
        client.async_read_some(asio::buffer(&byte, 1), use_fiber);
        EXPECT_TRUE(ran);
        miou::await_exn(other);
    });
}

TEST(use_fiber, returns_nothing_one_value_or_a_tuple) {
    on_reactor([] {
        const auto none = [](auto handler) { handler(error_code{}); };
        static_assert(std::is_void_v<decltype(async_by<void(error_code)>(none, use_fiber))>);
        async_by<void(error_code)>(none, use_fiber);
        async_by<void()>([](auto handler) { handler(); }, use_fiber);

        const int one = async_by<void(int)>([](auto handler) { handler(1); }, use_fiber);
        EXPECT_EQ(one, 1);
        const std::tuple<int, std::string> two = async_by<void(error_code, int, std::string)>(
            [](auto handler) { handler(error_code{}, 1, "two"); }, use_fiber);
        EXPECT_EQ(two, std::tuple(1, std::string{"two"}));
        const auto moved = async_by<void(error_code, std::unique_ptr<int>)>(
            [](auto handler) { handler(error_code{}, std::make_unique<int>(3)); }, use_fiber);
        EXPECT_EQ(*moved, 3);
        const auto [error, number] = async_by<void(error_code, int)>(
            [](auto handler) { handler(asio::error::eof, 4); }, asio::as_tuple(use_fiber));
        EXPECT_EQ(error, asio::error::eof);
        EXPECT_EQ(number, 4);
    });
}

TEST(use_fiber, throws_the_error_that_the_handler_is_given) {
    on_reactor([] {
        tcp::socket closed{miou_unix::executor()};
        char byte = 0;
        EXPECT_EQ(
            test::error_of([&] { closed.async_read_some(asio::buffer(&byte, 1), use_fiber); }),
            asio::error::bad_descriptor);
        EXPECT_THROW(
            async_by<void(std::exception_ptr)>(
                [](auto handler) { handler(std::make_exception_ptr(std::out_of_range{"far"})); },
                use_fiber),
            std::out_of_range);
        async_by<void(std::exception_ptr)>([](auto handler) { handler(nullptr); }, use_fiber);
    });
}

TEST(use_fiber, stores_error_or_success_in_the_variable_it_is_given) {
    on_reactor([] {
        tcp::socket closed{miou_unix::executor()};
        char byte = 0;
        error_code error;
        EXPECT_EQ(closed.async_read_some(asio::buffer(&byte, 1), use_fiber[error]), 0u);
        EXPECT_EQ(error, asio::error::bad_descriptor);
        asio::steady_timer due{miou_unix::executor(), asio::steady_timer::clock_type::now()};
        due.async_wait(use_fiber[error]);
        EXPECT_FALSE(error);
    });
}

TEST(use_fiber, an_error_names_no_line_of_the_library) {
    on_reactor([] {
        static constexpr boost::source_location line = BOOST_CURRENT_LOCATION;
        const error_code located{error_code{asio::error::eof}, &line};
        ASSERT_TRUE(test::contains(located.what(), ".cpp"));
        const auto fail = [&](auto handler) { handler(located); };
        const auto text = [](auto&& call) {
            return test::message_of<boost::system::system_error>(call);
        };
        EXPECT_EQ(text([&] { async_by<void(error_code)>(fail, use_fiber); }),
                  error_code{asio::error::eof}.what());
        error_code stored;
        async_by<void(error_code)>(fail, use_fiber[stored]);
        EXPECT_EQ(stored.what(), error_code{asio::error::eof}.what());
        for (const std::string prefix : {"", "reading"})
            EXPECT_EQ(text([&] {
                          async_by<void(std::exception_ptr)>(
                              [&](auto handler) {
                                  using boost::system::system_error;
                                  handler(std::make_exception_ptr(
                                      prefix.empty() ? system_error{located}
                                                     : system_error{located, prefix}));
                              },
                              use_fiber);
                      }),
                      (prefix.empty() ? "" : prefix + ": ") + error_code{asio::error::eof}.what());
    });
}

TEST(use_fiber, may_be_the_default_of_an_object) {
    on_reactor([] {
        using timer = miou_unix::use_fiber_t::as_default_on_t<asio::steady_timer>;
        timer due{miou_unix::executor(), asio::steady_timer::clock_type::now()};
        static_assert(std::is_void_v<decltype(due.async_wait())>);
        due.async_wait();
    });
}

TEST(use_fiber, an_operation_that_completes_in_its_initiation_does_not_park) {
    on_reactor([] {
        bool other_ran = false;
        const auto other = miou::async([&] { other_ran = true; });
        async_by<void(error_code)>([](auto handler) { handler(error_code{}); }, use_fiber);
        EXPECT_FALSE(other_ran);
        miou::await_exn(other);
    });
}

TEST(use_fiber, operations_that_always_complete_at_once_let_others_run) {
    on_reactor([] {
        std::atomic<bool> other_ran = false;
        const auto other = miou::async([&] { other_ran = true; });
        while (!other_ran)
            async_by<void(error_code)>([](auto handler) { handler(error_code{}); }, use_fiber);
        miou::await_exn(other);
    });
}

TEST(use_fiber, a_handler_that_is_destroyed_without_being_called_ends_the_call) {
    on_reactor([] {
        const auto drop = [](auto) {};
        EXPECT_EQ(test::error_of([&] { async_by<void(error_code, int)>(drop, use_fiber); }),
                  asio::error::operation_aborted);
        EXPECT_EQ(test::error_of([&] { async_by<void(int)>(drop, use_fiber); }),
                  asio::error::operation_aborted);
        error_code error;
        EXPECT_EQ((async_by<void(error_code, int)>(drop, use_fiber[error])), 0);
        EXPECT_EQ(error, asio::error::operation_aborted);
        const auto drop_later = [](auto handler) {
            asio::post(miou_unix::executor(),
                       [kept = std::make_shared<decltype(handler)>(std::move(handler))] {});
        };
        EXPECT_EQ(test::error_of([&] { async_by<void(error_code)>(drop_later, use_fiber); }),
                  asio::error::operation_aborted);
    });
}

TEST(use_fiber, an_operation_whose_initiation_throws_is_still_waited_for) {
    on_reactor([] {
        EXPECT_THROW(async_by<void(error_code)>([](auto) { throw std::runtime_error{"refused"}; },
                                                use_fiber),
                     std::runtime_error);
        bool ran = false;
        EXPECT_THROW(async_by<void(error_code)>(
                         [&](auto handler) {
                             asio::post(miou_unix::executor(),
                                        [&ran, kept = std::make_shared<decltype(handler)>(
                                                   std::move(handler))] {
                                            ran = true;
                                            (*kept)(error_code{});
                                        });
                             throw std::runtime_error{"too late"};
                         },
                         use_fiber),
                     std::runtime_error);
        EXPECT_TRUE(ran);
    });
}

TEST(use_fiber, calling_or_destroying_the_handler_on_another_thread_wakes_the_task) {
    on_reactor([] {
        for (int i = 0; i < test::scaled(300, 60); ++i) {
            std::thread other;
            const int value = async_by<void(error_code, int)>(
                [&](auto handler) {
                    other =
                        std::thread{[i, h = std::move(handler)]() mutable { h(error_code{}, i); }};
                },
                use_fiber);
            EXPECT_EQ(value, i);
            other.join();
            EXPECT_EQ(test::error_of([&] {
                          async_by<void(error_code)>(
                              [&](auto handler) {
                                  other = std::thread{
                                      [h = std::make_unique<decltype(handler)>(
                                           std::move(handler))]() mutable { h.reset(); }};
                              },
                              use_fiber);
                      }),
                      asio::error::operation_aborted);
            other.join();
        }
    });
}

TEST(use_fiber, a_value_that_throws_when_it_is_moved_is_thrown_at_the_call) {
    struct fragile {
        fragile() = default;
        fragile(fragile&&) { throw std::length_error{"moved"}; }
    };
    on_reactor([] {
        EXPECT_THROW(async_by<void(error_code, fragile)>(
                         [](auto handler) { handler(error_code{}, fragile{}); }, use_fiber),
                     std::length_error);
    });
}

TEST(use_fiber, a_composed_operation_runs_to_its_end) {
    on_reactor([] {
        auto [client, server] = asio_connection();
        // An operation that writes two bytes, one after the other.
        const auto send_two = [to = &client](auto&& token) {
            return asio::async_compose<decltype(token), void(error_code, int)>(
                [to, sent = 0](auto& self, error_code error = {}, std::size_t = 0) mutable {
                    if (error || sent == 2)
                        return self.complete(error, sent);
                    ++sent;
                    asio::async_write(*to, asio::buffer("xy", 1), std::move(self));
                },
                token, *to);
        };
        EXPECT_EQ(send_two(use_fiber), 2);
        std::string got(2, '\0');
        asio::async_read(server, asio::buffer(got), use_fiber);
        EXPECT_EQ(got, "xx");
    });
}

TEST(use_fiber, is_refused_outside_of_a_task_and_without_a_reactor) {
    const auto call = [] {
        async_by<void(error_code)>([](auto) { ADD_FAILURE() << "the operation was started"; },
                                   use_fiber);
    };
    const auto text = [](auto&& fn) { return test::message_of<miou::outside_of_task>(fn); };
    EXPECT_EQ(text(call), "miou_unix::use_fiber was called outside of a task of miou::run");
    EXPECT_EQ(text(miou_unix::executor),
              "miou_unix::executor was called outside of a task of miou::run");
    miou::run({.domains = domains()}, [&] {
        EXPECT_THROW(call(), miou::no_select_provided);
        EXPECT_THROW(miou_unix::executor(), miou::no_select_provided);
    });
}

TEST(use_fiber, each_domain_has_its_own_executor) {
    miou_unix::run({.domains = test::at_least(1)}, [] {
        const auto here = miou_unix::executor();
        EXPECT_EQ(here, miou_unix::executor());
        EXPECT_TRUE(miou::await_exn(miou::call([&] { return miou_unix::executor() != here; })));
    });
}

} // namespace
