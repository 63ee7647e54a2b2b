// Operations of Asio as plain calls.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/reactor.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <vector>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using miou_unix::use_fiber;
using test::domains;
using test::failed_with;
using test::on_reactor;

/// An operation of somebody's library: `start` is given the handler.
template <class Signature, class Start, class Token>
auto async_by(Start start, Token&& token) {
    return asio::async_initiate<Token, Signature>([&](auto handler) { start(std::move(handler)); },
                                                  token);
}

tcp::acceptor listener() {
    return {miou_unix::executor(), {asio::ip::address_v4::loopback(), 0}};
}

std::pair<tcp::socket, tcp::socket> connection() {
    tcp::acceptor from = listener();
    tcp::socket client{miou_unix::executor()};
    client.async_connect(from.local_endpoint(), use_fiber);
    return {std::move(client), from.async_accept(use_fiber)};
}

asio::steady_timer endless_timer() {
    return {miou_unix::executor(), asio::steady_timer::time_point::max()};
}

TEST(use_fiber, reads_and_writes_what_the_other_end_writes_and_reads) {
    on_reactor([] {
        auto [client, server] = connection();
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
        auto [client, server] = connection();
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

TEST(use_fiber, stores_the_error_where_it_is_told_to_and_success_too) {
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

TEST(use_fiber, completion_within_the_initiation_does_not_park) {
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

TEST(use_fiber, a_handler_that_is_dropped_unfired_ends_the_call) {
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

TEST(use_fiber, an_initiation_that_throws_is_waited_for) {
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

TEST(use_fiber, completion_and_dropping_on_a_foreign_thread_wake_the_task) {
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
        auto [client, server] = connection();
        // Two bytes, one after the other, each by an operation of its own.
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

TEST(use_fiber, cancelling_the_task_cancels_the_operation_and_waits_for_its_handler) {
    on_reactor([] {
        auto [client, server] = connection();
        const auto reader = miou::async([&] {
            char byte = 0;
            error_code error;
            client.async_read_some(asio::buffer(&byte, 1), use_fiber[error]);
            ADD_FAILURE() << "cancellation must not be stored";
        });
        miou::yield();
        miou::cancel(reader);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(reader)));
        // The socket is as good as new.
        asio::async_write(server, asio::buffer("x", 1), use_fiber);
        char byte = 0;
        EXPECT_EQ(client.async_read_some(asio::buffer(&byte, 1), use_fiber), 1u);
    });
}

TEST(use_fiber, a_cancellation_between_two_steps_of_an_operation_is_not_lost) {
    on_reactor([] {
        auto [client, server] = connection();
        // Reads on and on, and never asks whether it was cancelled.
        const auto read_on = [from = &client](auto&& token) {
            return asio::async_compose<decltype(token), void(error_code)>(
                [from, byte = std::make_unique<char>()](auto& self, error_code error = {},
                                                        std::size_t = 0) {
                    if (error)
                        return self.complete(error);
                    const auto to = asio::buffer(byte.get(), 1);
                    from->async_read_some(to, std::move(self));
                },
                token, *from);
        };
        asio::async_write(server, asio::buffer("xyz", 3), use_fiber);
        client.async_wait(tcp::socket::wait_read, use_fiber);
        const auto task = miou::async([&] { read_on(use_fiber); });
        miou::yield(); // the first step has ended, the second one has not begun
        miou::cancel(task);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(task)));
    });
}

TEST(use_fiber, what_completed_before_the_cancellation_is_not_lost) {
    on_reactor([] {
        bool returned = false;
        std::function<void()> complete;
        const auto task = miou::async([&] {
            const int value = async_by<void(error_code, int)>(
                [&](auto handler) {
                    complete = [h = std::make_shared<decltype(handler)>(std::move(handler))] {
                        (*h)(error_code{}, 5);
                    };
                },
                use_fiber);
            returned = value == 5;
        });
        miou::yield();
        // It ignores the cancellation slot, so it is waited for.
        const auto later = miou::async([&] { std::exchange(complete, nullptr)(); });
        miou::cancel(task);
        EXPECT_TRUE(returned);
        miou::await_exn(later);
    });
}

TEST(use_fiber, what_a_finished_operation_has_left_in_its_slot_is_not_called) {
    on_reactor([] {
        int calls = 0;
        const auto executor = miou_unix::executor();
        const auto task = miou::async([&] {
            async_by<void(error_code)>(
                [&](auto handler) {
                    auto slot = asio::get_associated_cancellation_slot(handler);
                    slot.assign([&, h = std::move(handler)](asio::cancellation_type) mutable {
                        ++calls;
                        asio::post(executor, [h = std::move(h)]() mutable {
                            h(asio::error::operation_aborted);
                        });
                    });
                },
                use_fiber);
        });
        miou::yield();
        miou::cancel(task);
        EXPECT_EQ(calls, 1);
    });
}

TEST(use_fiber, a_cancellation_that_cannot_be_told_is_told_again) {
    int lines = 0; // not one for each time
    miou::logs::set_sink([&](miou::logs::level, std::string_view) { ++lines; });
    on_reactor([] {
        int calls = 0;
        const auto task = miou::async([&] {
            async_by<void(error_code)>(
                [&](auto handler) {
                    auto slot = asio::get_associated_cancellation_slot(handler);
                    slot.assign([&, h = std::move(handler)](asio::cancellation_type) mutable {
                        if (++calls < 3)
                            throw std::bad_alloc{};
                        h(asio::error::operation_aborted);
                    });
                },
                use_fiber);
        });
        miou::yield();
        miou::cancel(task);
        EXPECT_EQ(calls, 3);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(task)));
    });
    miou::logs::set_sink({});
    EXPECT_EQ(lines, 1);
}

TEST(use_fiber, a_call_ends_when_the_library_has_given_back_all_its_memory) {
    on_reactor([] {
        for (const bool cancelled : {false, true}) {
            int calls = 0;
            bool ended = false;
            std::function<void()> give_back;
            const auto task = miou::async([&] {
                async_by<void(error_code)>(
                    [&](auto handler) {
                        auto memory = handler.get_allocator();
                        auto* const in_place = memory.allocate(8);
                        auto* const on_heap = memory.allocate(8);
                        handler.get_cancellation_slot().assign(
                            [&](asio::cancellation_type) { ++calls; });
                        give_back = [=]() mutable { // what Asio forbids, and libraries do
                            memory.deallocate(in_place, 8);
                            memory.deallocate(on_heap, 8);
                        };
                        handler(error_code{});
                    },
                    use_fiber);
                ended = true; // it had succeeded
            });
            miou::yield();
            const auto later = miou::async([&] {
                for (int i = 0; i < 10; ++i)
                    miou::yield();
                EXPECT_FALSE(ended);
                give_back();
            });
            if (cancelled)
                miou::cancel(task);
            else
                miou::await_exn(task);
            EXPECT_TRUE(ended);
            EXPECT_EQ(calls, 0); // the handler had been called
            miou::await_exn(later);
        }
    });
}

TEST(use_fiber, bytes_that_were_read_before_the_cancellation_are_reported_to_whoever_asks) {
    on_reactor([] {
        auto [client, server] = connection();
        std::string data(4, '\0');
        std::size_t got = 0;
        bool cancelled = false;
        const auto reader = miou::async([&, from = &client] {
            error_code error;
            std::tie(error, got) =
                asio::async_read(*from, asio::buffer(data), asio::as_tuple(use_fiber));
            EXPECT_EQ(error, asio::error::operation_aborted);
            try { // level-triggered: a loop that tries again ends
                from->async_read_some(asio::buffer(data), use_fiber[error]);
            } catch (const miou::cancelled&) {
                cancelled = true;
            }
        });
        miou::yield();
        asio::async_write(server, asio::buffer("ab", 2), use_fiber);
        while (client.available() != 0) // until the reader has them
            miou::yield();
        miou::cancel(reader);
        EXPECT_EQ(data.substr(0, got), "ab");
        EXPECT_TRUE(cancelled);
    });
}

TEST(use_fiber, an_outcome_that_is_no_error_is_returned_to_a_cancelled_task) {
    on_reactor([] {
        bool returned = false;
        const auto task = miou::async([&] {
            const auto [error] = endless_timer().async_wait(asio::as_tuple(use_fiber));
            returned = error == asio::error::operation_aborted;
        });
        miou::yield();
        miou::cancel(task);
        EXPECT_TRUE(returned);
    });
}

TEST(use_fiber, a_cancelled_task_waits_for_nothing) {
    on_reactor([] {
        const auto task = miou::async([] {
            try {
                endless_timer().async_wait(use_fiber);
            } catch (const miou::cancelled&) {
            }
            endless_timer().async_wait(use_fiber); // level-triggered
        });
        miou::yield();
        miou::cancel(task);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(task)));
    });
}

TEST(use_fiber, a_cancelled_task_begins_nothing_that_would_succeed) {
    on_reactor([] {
        const auto task = miou::async([] {
            for (;;)
                async_by<void(error_code)>(
                    [](auto handler) {
                        asio::post(miou_unix::executor(),
                                   [h = std::move(handler)]() mutable { h(error_code{}); });
                    },
                    use_fiber);
        });
        miou::yield();
        miou::cancel(task);
    });
}

TEST(use_fiber, an_uncancellable_section_lets_the_operation_end) {
    on_reactor([] {
        bool ended = false;
        const auto task = miou::async([&] {
            miou::uncancellable([&] {
                asio::steady_timer soon{miou_unix::executor(), std::chrono::milliseconds{5}};
                soon.async_wait(use_fiber);
                ended = true;
            });
        });
        miou::yield();
        miou::cancel(task);
        EXPECT_TRUE(ended);
    });
}

TEST(use_fiber, is_refused_outside_of_a_task_and_without_a_reactor) {
    const auto call = [] {
        async_by<void(error_code)>([](auto) { ADD_FAILURE() << "started"; }, use_fiber);
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

/// Cancels tasks that wait in `call` at random times; each is between any two of its steps.
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
            auto [client, server] = connection();
            asio::async_write(client, asio::buffer("ping", 4), use_fiber);
            char data[4];
            asio::async_read(server, asio::buffer(data), use_fiber);
        });
    });
}

TEST(use_fiber_storm, composed_operations_that_never_end) {
    on_reactor([] {
        storm([] {
            auto [client, server] = connection();
            char data[100];
            asio::async_write(client, asio::buffer("ping", 4), use_fiber);
            asio::async_read(server, asio::buffer(data), use_fiber);
        });
    });
}

} // namespace
