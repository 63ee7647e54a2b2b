// Cancelling a task that waits for input or output leaves nothing behind and loses nothing.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/at_end.hpp"
#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using test::domains;
using test::failed_with;
using test::numbered_bytes;

/// Cancels a task that repeats `call`, many times, and expects that no descriptor is left.
void leaves_nothing(const std::function<void()>& call) {
    const std::size_t before = test::open_descriptors();
    for (int i = 0; i < test::scaled(200, 60); ++i) {
        std::atomic<bool> begun = false;
        const auto task = test::anywhere([&] {
            begun = true;
            for (;;)
                call();
        });
        test::yield_until([&] { return begun.load(); });
        miou::cancel(task);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(task)));
    }
    // A descriptor of another domain is closed a moment later.
    const test::deadline patience;
    test::yield_until([&] { return test::open_descriptors() <= before || patience.has_passed(); });
    EXPECT_EQ(test::open_descriptors(), before);
}

TEST(cancelled_io, a_read_leaves_nothing) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        leaves_nothing([f = from] {
            char byte[1];
            static_cast<void>(miou_unix::read(f, byte));
        });
    });
}

TEST(cancelled_io, a_read_leaves_nothing_in_any_stage) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::socket_pair();
        for (int i = 0; i < test::scaled(300, 60); ++i) {
            bool read = false; // set on this domain, so there is no race
            const auto reader = miou::async([&, f = from] {
                char two[2];
                static_cast<void>(miou_unix::read(f, two));
                read = true;
            });
            miou::yield(); // the reader has submitted its operation
            if (i % 3 != 0)
                miou_unix::sleep(0.0001); // the reactor has started the operation
            if (i % 3 == 2)
                miou_unix::write(to, "x"); // the operation can complete
            miou::cancel(reader);
            EXPECT_FALSE(read);
            if (i % 3 == 2) { // the byte is still there
                char two[2];
                EXPECT_EQ(miou_unix::read(from, two), 1u);
            }
        }
    });
}

TEST(cancelled_io, a_write_leaves_nothing) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [a, b] = test::socket_pair();
        leaves_nothing([f = a] { miou_unix::write(f, std::string(10'000, 'x')); });
    });
}

TEST(cancelled_io, an_accept_leaves_nothing) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = test::listen_on_loopback();
        leaves_nothing([&] { miou_unix::accept(listening); });
    });
}

TEST(cancelled_io, a_connect_leaves_nothing) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = test::listen_on_loopback(0);
        const auto first = miou_unix::tcpv4(); // takes the only place in the queue
        miou_unix::connect(first, miou_unix::getsockname(listening));
        leaves_nothing([&] {
            const auto socket = miou_unix::tcpv4();
            miou_unix::connect(socket, miou_unix::getsockname(listening));
            miou::yield();
        });
    });
}

TEST(cancelled_io, a_socket_that_is_used_and_dropped_leaves_nothing) {
    miou_unix::run({.domains = domains()}, [] {
        leaves_nothing([] {
            const auto [client, server] = test::tcp_pair();
            miou_unix::write(client, "x");
            char two[2];
            miou_unix::really_read(server, two);
        });
    });
}

TEST(cancelled_io, a_call_that_never_parks_can_be_cancelled) {
    miou_unix::run({.domains = domains()}, [] {
        const auto sink = miou_unix::of_file_descr(::open("/dev/null", O_WRONLY | O_CLOEXEC));
        const auto writer = test::anywhere([&] {
            for (;;)
                miou_unix::write(sink, "x");
        });
        for (int i = 0; i < 10; ++i)
            miou::yield();
        miou::cancel(writer);
    });
}

TEST(cancelled_io, a_reader_that_always_finds_something_ends) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        const auto writer = miou::async([f = to] {
            for (;; miou::yield())
                miou_unix::write(f, "x");
        });
        const auto reader = miou::async([f = from] {
            char buffer[100];
            for (;;)
                static_cast<void>(miou_unix::read(f, buffer));
        });
        for (int i = 0; i < 10; ++i)
            miou::yield();
        miou::cancel(reader);
        miou::cancel(writer);
    });
}

TEST(cancelled_io, other_waiting_tasks_are_unharmed) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [a, b] = test::socket_pair();
        const auto read_one = [f = a] {
            char byte[1];
            miou_unix::really_read(f, byte);
        };
        std::vector<miou::promise<void>> readers;
        for (int i = 0; i < 10; ++i)
            readers.push_back(i % 4 < 2 ? miou::async(read_one) : test::anywhere(read_one));
        const auto writer =
            miou::async([f = a] { miou_unix::write(f, numbered_bytes{}.from(0, 1'000'000)); });
        miou::yield();
        for (std::size_t i = 0; i < readers.size(); i += 2)
            miou::cancel(readers[i]);
        miou_unix::write(b, "12345");
        for (std::size_t i = 1; i < readers.size(); i += 2)
            miou::await_exn(readers[i]);
        std::string all(1'000'000, '\0');
        miou_unix::really_read(b, all);
        EXPECT_EQ(all, numbered_bytes{}.from(0, all.size()));
        miou::await_exn(writer);
    });
}

TEST(cancelled_io, what_comes_for_a_cancelled_task_goes_to_the_next) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        for (int i = 0; i < 50; ++i) {
            const auto reader = test::anywhere([f = from] {
                char byte[1];
                static_cast<void>(miou_unix::read(f, byte));
            });
            miou::yield();
            miou::cancel(reader);
            miou_unix::write(to, "x");
            char byte[1];
            EXPECT_EQ(miou_unix::read(from, byte), 1u);
        }
    });
}

/// Repeats `step` until `done()`, in tasks that are cancelled at random moments.
void run_in_pieces(const std::function<void()>& step, const std::function<bool()>& done) {
    std::minstd_rand random{1};
    while (!done()) {
        const auto task = test::anywhere([&] {
            while (!done())
                step();
        });
        for (auto turns = random() % 40; turns != 0; --turns)
            miou::yield();
        if (random() % 4 == 0)
            miou_unix::sleep(1e-6 * static_cast<double>(random() % 300));
        miou::cancel(task);
    }
}

TEST(cancelled_io, a_stream_whose_reader_is_cancelled_at_any_time_has_no_hole) {
    static constexpr auto size = static_cast<std::size_t>(test::scaled(1'000'000, 200'000));
    for (const auto& make : {&test::socket_pair, &test::pipe})
        miou_unix::run({.domains = domains()}, [make] {
            const auto [from, to] = make();
            const auto writer = test::anywhere([f = to] {
                for (std::size_t place = 0; place < size; place += 100) {
                    miou_unix::write(f, numbered_bytes{}.from(place, 100));
                    if (place % 3000 == 0)
                        miou::yield();
                }
            });
            std::string all;
            run_in_pieces(
                [&, f = from] {
                    char buffer[170];
                    all.append(buffer, miou_unix::read(f, buffer));
                },
                [&] { return all.size() >= size; });
            EXPECT_EQ(all, numbered_bytes{}.from(0, size));
            miou::await_exn(writer);
        });
}

TEST(cancelled_io, what_a_cancelled_writer_has_written_is_a_prefix) {
    for (int i = 0; i < 50; ++i)
        miou_unix::run({.domains = domains()}, [i] {
            const auto [from, to] = test::pipe();
            const auto writer = test::anywhere(
                [f = to] { miou_unix::write(f, numbered_bytes{}.from(0, 300'000)); });
            const auto reader =
                test::anywhere([f = from] { return test::receive_numbered(f, numbered_bytes{}); });
            for (int k = 0; k < i; ++k)
                miou::yield();
            miou::cancel(writer);
            miou_unix::close(to);
            const auto received = miou::await_exn(reader);
            EXPECT_GE(received, 0);
            EXPECT_LE(received, 300'000);
        });
}

TEST(cancelled_io, a_connection_that_was_accepted_is_reported_or_still_waits) {
    const int count = test::scaled(300, 100);
    miou_unix::run({.domains = domains()}, [count] {
        const auto listening = test::listen_on_loopback(1024);
        const auto clients = test::anywhere([&] {
            std::vector<miou_unix::file_descr> connected;
            for (int i = 0; i < count; ++i) {
                connected.push_back(miou_unix::tcpv4());
                miou_unix::connect(connected.back(), miou_unix::getsockname(listening));
                if (i % 8 == 0)
                    miou::yield();
            }
            return connected;
        });
        int accepted = 0;
        run_in_pieces(
            [&] {
                const auto client = miou_unix::accept(listening);
                ++accepted;
            },
            [&] { return accepted >= count; });
        EXPECT_EQ(accepted, count);
        EXPECT_EQ(miou::await_exn(clients).size(), static_cast<std::size_t>(count));
    });
}

TEST(cancelled_io, in_an_uncancellable_section_a_read_ends_first) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        std::size_t got = 0;
        std::atomic<bool> begun = false;
        const auto reader = test::anywhere([&, f = from] {
            miou::uncancellable([&] {
                begun = true;
                char byte[1];
                got = miou_unix::read(f, byte);
            });
        });
        test::yield_until([&] { return begun.load(); });
        const auto writer = miou::async([f = to] {
            for (int i = 0; i < 10; ++i)
                miou::yield();
            miou_unix::write(f, "x");
        });
        miou::cancel(reader);
        EXPECT_EQ(got, 1u);
        miou::await_exn(writer);
    });
}

TEST(cancelled_io, a_destructor_may_still_say_goodbye) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [a, b] = test::socket_pair();
        const auto other = test::anywhere([f = b] {
            char text[3];
            miou_unix::really_read(f, text);
            miou_unix::write(f, "ok");
            return std::string(text, 3);
        });
        std::atomic<bool> begun = false;
        const auto task = test::anywhere([&, f = a] {
            const miou::at_end goodbye{[&] {
                miou_unix::write(f, "bye");
                char answer[2];
                miou_unix::really_read(f, answer);
            }};
            begun = true;
            miou_unix::sleep(1e10);
        });
        test::yield_until([&] { return begun.load(); });
        miou::cancel(task);
        EXPECT_EQ(miou::await_exn(other), "bye");
    });
}

TEST(cancelled_io, an_exception_of_the_root_ends_every_waiting_task) {
    for (int i = 0; i < test::scaled(20, 4); ++i)
        EXPECT_THROW(miou_unix::run({.domains = domains()},
                                    [] {
                                        const auto listening = test::listen_on_loopback();
                                        const auto [a, b] = test::socket_pair();
                                        std::vector<miou::promise<void>> tasks;
                                        for (int k = 0; k < 5; ++k) {
                                            tasks.push_back(test::anywhere(
                                                [&listening] { miou_unix::accept(listening); }));
                                            tasks.push_back(
                                                test::anywhere([f = a] { test::read_to_end(f); }));
                                            tasks.push_back(test::anywhere([f = b] {
                                                test::send_numbered(f, numbered_bytes{}, 1'000'000);
                                                miou_unix::sleep(1e10);
                                            }));
                                        }
                                        miou::yield();
                                        throw std::runtime_error{"enough"};
                                    }),
                     std::runtime_error);
}

} // namespace
