// What a call with `use_fiber` does, and what it returns, when its task is cancelled.

#include "support/asio.hpp"
#include "support/errors.hpp"
#include "support/reactor.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using miou_unix::use_fiber;
using test::asio_connection;
using test::async_by;
using test::endless_timer;
using test::failed_with;
using test::on_reactor;

TEST(use_fiber_cancel, cancelling_the_task_cancels_the_operation_and_waits_for_its_handler) {
    on_reactor([] {
        auto [client, server] = asio_connection();
        const auto reader = miou::async([&] {
            char byte = 0;
            error_code error;
            client.async_read_some(asio::buffer(&byte, 1), use_fiber[error]);
            ADD_FAILURE() << "cancellation must not be stored";
        });
        miou::yield();
        miou::cancel(reader);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(reader)));
        // The socket can be used as before.
        asio::async_write(server, asio::buffer("x", 1), use_fiber);
        char byte = 0;
        EXPECT_EQ(client.async_read_some(asio::buffer(&byte, 1), use_fiber), 1u);
    });
}

TEST(use_fiber_cancel, a_cancellation_between_two_steps_of_an_operation_is_not_lost) {
    on_reactor([] {
        auto [client, server] = asio_connection();
        // An operation that reads without an end and never checks whether it was cancelled.
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
        miou::yield(); // the first step has ended, and the second has not begun
        miou::cancel(task);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(task)));
    });
}

TEST(use_fiber_cancel, a_result_from_before_the_cancellation_is_not_lost) {
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
        // The operation ignores its cancellation slot, so the call waits for it.
        const auto later = miou::async([&] { std::exchange(complete, nullptr)(); });
        miou::cancel(task);
        EXPECT_TRUE(returned);
        miou::await_exn(later);
    });
}

TEST(use_fiber_cancel, a_slot_is_not_called_after_its_operation_has_finished) {
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

TEST(use_fiber_cancel, a_cancellation_signal_that_fails_is_emitted_again) {
    int lines = 0; // the failure is logged only once
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

TEST(use_fiber_cancel, a_call_ends_when_the_library_has_given_back_all_its_memory) {
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
                        give_back = [=]() mutable { // Asio forbids this, but some libraries do it
                            memory.deallocate(in_place, 8);
                            memory.deallocate(on_heap, 8);
                        };
                        handler(error_code{});
                    },
                    use_fiber);
                ended = true; // returned, because the operation had succeeded
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
            EXPECT_EQ(calls, 0); // the handler had been called before
            miou::await_exn(later);
        }
    });
}

TEST(use_fiber_cancel, bytes_that_were_read_before_the_cancellation_are_reported_to_whoever_asks) {
    on_reactor([] {
        auto [client, server] = asio_connection();
        std::string data(4, '\0');
        std::size_t got = 0;
        bool cancelled = false;
        const auto reader = miou::async([&, from = &client] {
            error_code error;
            std::tie(error, got) =
                asio::async_read(*from, asio::buffer(data), asio::as_tuple(use_fiber));
            EXPECT_EQ(error, asio::error::operation_aborted);
            try { // cancellation is level-triggered: a loop that tries again ends
                from->async_read_some(asio::buffer(data), use_fiber[error]);
            } catch (const miou::cancelled&) {
                cancelled = true;
            }
        });
        miou::yield();
        asio::async_write(server, asio::buffer("ab", 2), use_fiber);
        while (client.available() != 0) // until the reader has read the two bytes
            miou::yield();
        miou::cancel(reader);
        EXPECT_EQ(data.substr(0, got), "ab");
        EXPECT_TRUE(cancelled);
    });
}

TEST(use_fiber_cancel, an_outcome_that_is_no_error_is_returned_to_a_cancelled_task) {
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

TEST(use_fiber_cancel, a_cancelled_task_cannot_wait_again) {
    on_reactor([] {
        const auto task = miou::async([] {
            try {
                endless_timer().async_wait(use_fiber);
            } catch (const miou::cancelled&) {
            }
            endless_timer().async_wait(use_fiber); // throws, too
        });
        miou::yield();
        miou::cancel(task);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(task)));
    });
}

TEST(use_fiber_cancel, a_cancelled_task_begins_nothing_that_would_succeed) {
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

TEST(use_fiber_cancel, an_uncancellable_section_lets_the_operation_end) {
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

} // namespace
