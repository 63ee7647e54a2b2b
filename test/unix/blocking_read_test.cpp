// Waiting for raw descriptors, which stay in the mode that they are in.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"
#include "support/temporary_folder.hpp"

#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/system/system_error.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace {

using test::domains;
using test::error_in;
using test::error_of;
using test::failed_with;
namespace errc = boost::system::errc;

/// The end to read from and the end to write to. The destructor closes them.
struct raw_ends {
    explicit raw_ends(std::pair<int, int> both)
        : from{both.first}
        , to{both.second} {}
    ~raw_ends() {
        close_first();
        close_second();
    }
    raw_ends(const raw_ends&) = delete;
    raw_ends& operator=(const raw_ends&) = delete;

    void close_first() { close_once(from); }
    void close_second() { close_once(to); }

    int from, to;

private:
    static void close_once(int& fd) {
        if (const int open = std::exchange(fd, -1); open >= 0)
            ::close(open);
    }
};

std::pair<int, int> raw_event() {
    const int fd = ::eventfd(0, EFD_CLOEXEC);
    return {fd, ::fcntl(fd, F_DUPFD_CLOEXEC, 0)};
}

std::pair<int, int> raw_terminal() {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ::grantpt(master);
    ::unlockpt(master);
    return {master, ::open(::ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC)};
}

std::pair<int, int> raw_datagram_pair() {
    int both[2];
    ::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, both);
    return {both[0], both[1]};
}

/// Writes eight bytes, which an eventfd accepts too.
void put(int fd) {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(fd, &one, sizeof one), 8);
}

void take(int fd) {
    std::uint64_t value;
    EXPECT_EQ(::read(fd, &value, sizeof value), 8);
}

/// Writes until there is no room, and leaves the descriptor in blocking mode.
void fill(int fd) {
    const std::string block(1000, 'x');
    ::fcntl(fd, F_SETFL, O_NONBLOCK | ::fcntl(fd, F_GETFL));
    while (::write(fd, block.data(), block.size()) > 0) {
    }
    while (::write(fd, "x", 1) > 0) {
    }
    ::fcntl(fd, F_SETFL, ~O_NONBLOCK & ::fcntl(fd, F_GETFL));
}

/// Lets other tasks run, and polls the system.
void let_others_run() {
    for (int i = 0; i < 5; ++i)
        miou::yield();
    miou_unix::sleep(0.001);
}

template <class Spawn>
void waits_for_what_comes(Spawn spawn) {
    for (const auto& make :
         {&test::raw_pipe, &test::raw_socket_pair, &raw_event, &raw_terminal, &raw_datagram_pair}) {
        const raw_ends ends{make()};
        std::atomic<bool> woken = false;
        const auto reader = spawn([&] {
            miou_unix::blocking_read(ends.from);
            woken = true;
        });
        let_others_run();
        EXPECT_FALSE(woken);
        put(ends.to);
        miou::await_exn(reader);
        take(ends.from);
    }
}

TEST(blocking_read, waits_until_data_comes) {
    miou_unix::run({.domains = domains()},
                   [] { waits_for_what_comes([](auto fn) { return miou::async(fn); }); });
}

TEST(blocking_read, waits_on_other_domains) {
    miou_unix::run({.domains = domains()},
                   [] { waits_for_what_comes([](auto fn) { return test::anywhere(fn); }); });
}

TEST(blocking_read, returns_at_once_when_there_is_something) {
    miou_unix::run({.domains = domains()}, [] {
        const raw_ends ends{test::raw_pipe()};
        put(ends.to);
        for (int i = 0; i < 100; ++i) // the data stays unread
            miou_unix::blocking_read(ends.from);
        take(ends.from);
    });
}

TEST(blocking_read, the_end_of_the_stream_wakes_the_task) {
    miou_unix::run({.domains = domains()}, [] {
        for (const auto& make : {&test::raw_pipe, &test::raw_socket_pair}) {
            raw_ends ends{make()};
            const auto reader = test::anywhere([&] { miou_unix::blocking_read(ends.from); });
            let_others_run();
            ends.close_second();
            miou::await_exn(reader);
            miou_unix::blocking_read(ends.from);
        }
    });
}

TEST(blocking_write, waits_for_room) {
    miou_unix::run({.domains = domains()}, [] {
        for (const auto& make : {&test::raw_pipe, &test::raw_socket_pair}) {
            const raw_ends ends{make()};
            miou_unix::blocking_write(ends.to);
            fill(ends.to);
            std::atomic<bool> woken = false;
            const auto writer = test::anywhere([&] {
                miou_unix::blocking_write(ends.to);
                woken = true;
            });
            let_others_run();
            EXPECT_FALSE(woken);
            std::string half(1'000'000, '\0');
            EXPECT_GT(::read(ends.from, half.data(), half.size()), 0);
            miou::await_exn(writer);
        }
    });
}

TEST(blocking_write, a_broken_pipe_wakes_the_task) {
    miou_unix::run({.domains = domains()}, [] {
        raw_ends ends{test::raw_pipe()};
        fill(ends.to);
        const auto writer = test::anywhere([&] { miou_unix::blocking_write(ends.to); });
        let_others_run();
        ends.close_first();
        miou::await_exn(writer);
    });
}

TEST(blocking_calls, leave_the_mode_as_it_is) {
    miou_unix::run({.domains = domains()}, [] {
        const raw_ends ends{test::raw_socket_pair()};
        const auto reader = test::anywhere([&] { miou_unix::blocking_read(ends.from); });
        const auto nobody_sees_another = [&] {
            EXPECT_EQ(::fcntl(ends.from, F_GETFL) & O_NONBLOCK, 0);
        };
        miou_unix::blocking_write(ends.from);
        for (int i = 0; i < 20; ++i) {
            nobody_sees_another();
            miou::yield();
        }
        put(ends.to);
        miou::await_exn(reader);
        nobody_sees_another();
    });
}

TEST(blocking_calls, readers_and_writers_of_one_descriptor_wait_side_by_side) {
    miou_unix::run({.domains = domains()}, [] {
        const raw_ends ends{test::raw_socket_pair()};
        fill(ends.from);
        std::vector<miou::promise<void>> readers, writers;
        for (int i = 0; i < 4; ++i) {
            const auto read = [&] { miou_unix::blocking_read(ends.from); };
            const auto write = [&] { miou_unix::blocking_write(ends.from); };
            readers.push_back(i % 2 == 0 ? miou::async(read) : test::anywhere(read));
            writers.push_back(i % 2 == 0 ? miou::async(write) : test::anywhere(write));
        }
        let_others_run();
        put(ends.to);
        for (const auto& each : miou::await_all(readers))
            each.value();
        for (const auto& each : writers)
            EXPECT_EQ(each.state(), miou::promise_state::running);
        std::string all(1'000'000, '\0');
        EXPECT_GT(::read(ends.to, all.data(), all.size()), 0);
        for (const auto& each : miou::await_all(writers))
            each.value();
    });
}

TEST(blocking_calls, may_wait_for_a_descriptor_that_also_has_a_handle) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [f, peer] = test::socket_pair();
        const auto reader = miou::async([&, g = f] {
            char both[2];
            miou_unix::really_read(g, both);
            EXPECT_EQ(std::string(both, 2), "xy");
        });
        let_others_run();
        const auto waiter =
            miou::async([&, g = f] { miou_unix::blocking_read(miou_unix::to_file_descr(g)); });
        let_others_run();
        miou_unix::write(peer, "x"); // the reader may take the byte before the waiter polls
        let_others_run();
        miou::cancel(waiter);
        miou_unix::blocking_write(miou_unix::to_file_descr(f));
        miou_unix::write(peer, "y");
        miou::await_exn(reader);
    });
}

TEST(blocking_calls, hundreds_wait_for_one_descriptor) {
    miou_unix::run({.domains = domains()}, [] {
        const raw_ends ends{raw_event()};
        std::vector<miou::promise<void>> tasks;
        for (int i = 0; i < test::scaled(400, 50); ++i) {
            const auto wait = [&] { miou_unix::blocking_read(ends.from); };
            tasks.push_back(i % 2 == 0 ? miou::async(wait) : test::anywhere(wait));
        }
        let_others_run();
        put(ends.to);
        for (const auto& each : miou::await_all(tasks))
            each.value();
    });
}

TEST(blocking_calls, are_cancelled_and_leave_nothing) {
    miou_unix::run({.domains = domains()}, [] {
        const raw_ends ends{test::raw_socket_pair()};
        fill(ends.from);
        const std::size_t before = test::open_descriptors();
        for (int i = 0; i < test::scaled(100, 30); ++i) {
            std::atomic<bool> begun = false;
            const auto task = test::anywhere([&, i] {
                begun = true;
                if (i % 2 == 0)
                    miou_unix::blocking_read(ends.from);
                else
                    miou_unix::blocking_write(ends.from);
            });
            test::yield_until([&] { return begun.load(); });
            for (int k = 0; k < i % 5; ++k)
                miou::yield();
            miou::cancel(task);
            EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(task)));
        }
        EXPECT_EQ(test::open_descriptors(), before);
    });
}

TEST(blocking_calls, one_that_never_parks_can_be_cancelled) {
    miou_unix::run({.domains = domains()}, [] {
        const raw_ends ends{test::raw_pipe()};
        const auto task = test::anywhere([&] {
            for (;;)
                miou_unix::blocking_write(ends.to);
        });
        for (int i = 0; i < 10; ++i)
            miou::yield();
        miou::cancel(task);
    });
}

TEST(blocking_calls, a_reused_number_is_another_descriptor) {
    miou_unix::run({.domains = domains()}, [] {
        for (int i = 0; i < test::scaled(100, 30); ++i) {
            int number = -1;
            {
                const raw_ends old{test::raw_pipe()};
                number = old.from;
                put(old.to);
                const auto there = test::anywhere([&] { miou_unix::blocking_read(old.from); });
                miou_unix::blocking_read(old.from);
                miou::await_exn(there);
            }
            const raw_ends again{test::raw_pipe()};
            ASSERT_EQ(again.from, number);
            std::atomic<bool> woken = false;
            const auto wait = [&] {
                miou_unix::blocking_read(again.from);
                EXPECT_TRUE(woken);
            };
            const auto here = miou::async(wait);
            const auto there = test::anywhere(wait);
            for (int k = 0; k < 5; ++k)
                miou::yield();
            woken = true;
            put(again.to);
            miou::await_exn(here);
            miou::await_exn(there);
        }
    });
}

TEST(blocking_calls, a_wait_for_a_descriptor_that_was_closed_ends_by_cancellation) {
    miou_unix::run({.domains = domains()}, [] {
        raw_ends old{test::raw_pipe()};
        const auto lost = miou::async([&, fd = old.from] { miou_unix::blocking_read(fd); });
        miou::yield(); // the task parks
        old.close_first();
        const raw_ends again{test::raw_pipe()}; // gets the same number
        put(again.to);
        miou_unix::blocking_read(again.from);
        let_others_run();
        EXPECT_EQ(lost.state(), miou::promise_state::running);
        miou::cancel(lost);
    });
}

TEST(blocking_calls, that_are_cancelled_let_the_descriptor_be_closed_and_its_number_be_reused) {
    miou_unix::run({.domains = domains()}, [] {
        for (int i = 0; i < test::scaled(200, 50); ++i) {
            std::atomic<int> number = -1;
            const auto owner = test::anywhere([&] {
                const raw_ends old{test::raw_socket_pair()}; // closed while the task unwinds
                number = old.from;
                miou_unix::blocking_read(old.from);
            });
            test::yield_until([&] { return number >= 0; });
            for (int k = 0; k < i % 5; ++k)
                miou::yield();
            miou::cancel(owner);
            const raw_ends again{test::raw_socket_pair()};
            ASSERT_EQ(again.from, number);
            const auto there = test::anywhere([&] { miou_unix::blocking_read(again.from); });
            let_others_run();
            EXPECT_EQ(there.state(), miou::promise_state::running);
            put(again.to);
            miou_unix::blocking_read(again.from);
            miou::await_exn(there);
        }
    });
}

TEST(blocking_calls, refuse_a_file_that_cannot_be_waited_for) {
    const test::temporary_folder folder;
    miou_unix::run({.domains = domains()}, [&] {
        for (const int fd : {::open((folder / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600),
                             ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                             ::open("/dev/null", O_RDWR | O_CLOEXEC)}) {
            ASSERT_GE(fd, 0);
            EXPECT_EQ(error_of([&] { miou_unix::blocking_read(fd); }),
                      errc::operation_not_permitted);
            EXPECT_EQ(error_of([&] { miou_unix::blocking_write(fd); }),
                      errc::operation_not_permitted);
            ::close(fd);
        }
    });
}

TEST(blocking_calls, refuse_an_invalid_descriptor) {
    miou_unix::run({.domains = domains()}, [] {
        int closed = -1;
        {
            const raw_ends ends{test::raw_pipe()};
            closed = ends.to;
        }
        for (const int fd : {-1, 1 << 20, closed}) {
            EXPECT_EQ(error_of([&] { miou_unix::blocking_read(fd); }), errc::bad_file_descriptor);
            EXPECT_EQ(error_of([&] { miou_unix::blocking_write(fd); }), errc::bad_file_descriptor);
        }
    });
}

TEST(blocking_calls, outside_of_a_run_nothing_can_be_waited_for) {
    const raw_ends ends{test::raw_pipe()};
    EXPECT_THROW(miou_unix::blocking_read(ends.from), miou::outside_of_task);
    EXPECT_THROW(miou_unix::blocking_write(ends.to), miou::outside_of_task);
    miou::run({.domains = domains()},
              [&] { EXPECT_THROW(miou_unix::blocking_read(ends.from), miou::no_select_provided); });
}

TEST(blocking_calls, say_the_name_that_they_were_given) {
    miou_unix::run({.domains = domains()}, [] {
        const auto text_of = [](auto call) {
            return test::message_of<boost::system::system_error>(call);
        };
        const auto reading = text_of([] { miou_unix::blocking_read({.name = "the queue"}, -1); });
        EXPECT_TRUE(test::contains(reading, "miou_unix::blocking_read (the queue)")) << reading;
        const auto writing = text_of([] { miou_unix::blocking_write({.name = "a pipe"}, -1); });
        EXPECT_TRUE(test::contains(writing, "miou_unix::blocking_write (a pipe)")) << writing;
        const raw_ends ends{test::raw_pipe()};
        miou_unix::blocking_write({.name = "a pipe"}, ends.to);
    });
}

} // namespace
