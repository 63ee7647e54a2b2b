// While some tasks always find something to do, the others still get their turns.

#include "support/domains.hpp"
#include "support/io.hpp"
#include "support/tasks.hpp"

#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/steady_timer.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <vector>

namespace {

using test::domains;
using test::write_and_read;

constexpr int crowd = 64;
constexpr int turns = 100;
// Far more than the reads of a few polls. A turn may take several polls.
constexpr long most_for_a_turn = 2'000;

/// Runs `one_turn` `turns` times while `crowd` tasks repeat `busy`. Returns how often they repeated
/// it.
template <class Busy>
long repetitions_meanwhile(Busy busy, const std::function<void()>& one_turn) {
    bool over = false;
    long repetitions = 0;
    std::vector<miou::promise<void>> tasks;
    for (int i = 0; i < crowd; ++i)
        tasks.push_back(miou::async([&, ends = test::socket_pair()] {
            while (!over) {
                busy(ends);
                ++repetitions;
            }
        }));
    for (int i = 0; i < turns; ++i)
        one_turn();
    over = true;
    for (const auto& each : tasks)
        miou::await_exn(each);
    return repetitions;
}

void write_one(const miou_unix::file_descr& to) {
    miou_unix::write(to, "x");
}
void read_one(const miou_unix::file_descr& from) {
    char two[2];
    ASSERT_EQ(miou_unix::read(from, two), 1u);
}
void wait_for_asio() {
    boost::asio::steady_timer timer{miou_unix::executor(), std::chrono::seconds{0}};
    timer.async_wait(miou_unix::use_fiber);
}

TEST(io_fairness, a_task_that_is_alone_gets_its_turns) {
    miou_unix::run({.domains = domains()}, [] {
        const auto ends = test::socket_pair();
        for (int i = 0; i < turns; ++i) {
            wait_for_asio();
            write_and_read(ends);
            miou::await_exn(test::anywhere([] {})); // with other domains, its end is a mail
        }
    });
}

TEST(io_fairness, reads_that_always_find_something_leave_turns_to_operations_of_asio) {
    miou_unix::run({.domains = domains()}, [] {
        EXPECT_LT(repetitions_meanwhile(&write_and_read, &wait_for_asio), turns * most_for_a_turn);
    });
}

TEST(io_fairness, reads_that_always_find_something_leave_turns_to_sleepers) {
    miou_unix::run({.domains = domains()}, [] {
        // The others work for at least 10 us a turn, longer on a slow machine.
        const auto sleep = [] { miou_unix::sleep(1e-5); };
        EXPECT_LT(repetitions_meanwhile(&write_and_read, sleep), turns * most_for_a_turn);
    });
}

TEST(io_fairness, reads_that_always_find_something_leave_turns_to_tasks_that_accept) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = test::listen_on_loopback();
        const auto address = miou_unix::getsockname(listening);
        const auto one_turn = [&] {
            const auto accepting =
                miou::async([&] { miou_unix::close(miou_unix::accept(listening).first); });
            const auto client = miou_unix::tcpv4();
            miou_unix::connect(client, address);
            miou::await_exn(accepting);
        };
        EXPECT_LT(repetitions_meanwhile(&write_and_read, one_turn), turns * most_for_a_turn);
    });
}

TEST(io_fairness, operations_of_asio_that_always_end_leave_turns_to_reads) {
    miou_unix::run({.domains = domains()}, [] {
        const auto ends = test::socket_pair();
        const auto busy = [](const test::ends&) { wait_for_asio(); };
        EXPECT_LT(repetitions_meanwhile(busy, [&] { write_and_read(ends); }),
                  turns * most_for_a_turn);
    });
}

TEST(io_fairness, a_crowd_that_is_always_ready_leaves_turns_to_reads_that_find_something_at_once) {
    miou_unix::run({.domains = domains()}, [] {
        const auto pair = test::socket_pair();
        const auto answered = [](const test::ends& both) {
            const auto partner = miou::async([f = both.second] {
                read_one(f);
                write_one(f);
            });
            write_one(both.first);
            read_one(both.first);
            miou::await_exn(partner);
        };
        EXPECT_LT(repetitions_meanwhile(answered, [&] { write_and_read(pair); }),
                  turns * most_for_a_turn);
    });
}

} // namespace
