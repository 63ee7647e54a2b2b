// Input and output while other tasks compute.

#include "support/domains.hpp"
#include "support/io.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using test::domains;

constexpr int computing_tasks = 200;
constexpr int messages = 20;

/// Uses the processor for as long as a computing task does between two yields.
void compute() {
    const auto end = std::chrono::steady_clock::now() + 50us;
    while (std::chrono::steady_clock::now() < end) {
    }
}

/// A client for a thread of its own. Returns for each message how many rounds had begun when it was
/// sent.
std::vector<int> send_and_wait_for_echoes(int fd, const std::atomic<int>& round) {
    std::vector<int> sent_in;
    char byte = 'x';
    for (int i = 0; i < messages; ++i) {
        for (const int before = round; round == before;) // waits for the next round
            std::this_thread::yield();
        sent_in.push_back(round);
        EXPECT_EQ(::write(fd, &byte, 1), 1);
        EXPECT_EQ(::read(fd, &byte, 1), 1);
    }
    ::close(fd);
    return sent_in;
}

TEST(fairness, a_ready_socket_is_served_within_two_rounds_of_tasks_that_compute) {
    std::vector<int> served_in;
    std::vector<int> sent_in;
    miou_unix::run({.domains = domains()}, [&] {
        std::atomic<int> round = 0;
        std::vector<miou::promise<void>> computing;
        for (int i = 0; i < computing_tasks; ++i)
            computing.push_back(miou::async([&, first = i == 0] {
                for (;;) {
                    round += first;
                    compute();
                    miou::yield();
                }
            }));
        const auto [client, server] = test::raw_socket_pair();
        const auto f = miou_unix::of_file_descr(server);
        std::thread sender{[&, fd = client] { sent_in = send_and_wait_for_echoes(fd, round); }};
        char buffer[2];
        while (miou_unix::read(f, buffer) == 1) {
            served_in.push_back(round);
            miou_unix::write(f, {buffer, 1});
        }
        sender.join();
        miou::cancel_all(computing);
    });
    ASSERT_EQ(served_in.size(), sent_in.size());
    for (std::size_t i = 0; i < served_in.size(); ++i)
        EXPECT_LE(served_in[i] - sent_in[i], 2) << "message " << i;
}

TEST(fairness, a_task_whose_reads_and_writes_always_succeed_lets_others_run) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [a, b] = test::socket_pair();
        std::atomic<bool> over = false;
        const auto busy = miou::async([&, from = a, to = b] {
            char byte = 'x';
            while (!over) {
                miou_unix::write(to, {&byte, 1});
                miou_unix::really_read(from, {&byte, 1});
            }
        });
        int turns = 0;
        for (; turns < 100; ++turns)
            miou::yield();
        over = true;
        miou::await_exn(busy);
    });
}

TEST(fairness, a_sleeper_is_late_by_few_turns_of_a_task_that_computes_for_long) {
    miou_unix::run({.domains = domains()}, [] {
        using clock = miou_unix::clock;
        clock::time_point due = clock::time_point::max();
        int turns_after_due = 0;
        bool over = false;
        const auto busy = miou::async([&] {
            while (!over) {
                turns_after_due +=
                    clock::now() >= due; // counts the turns that begin after the sleeper was due
                const auto end = clock::now() + 200us;
                while (clock::now() < end) {
                }
                miou::yield();
            }
        });
        std::vector<int> late;
        for (int i = 0; i < 20; ++i) {
            turns_after_due = 0;
            due = clock::now() + 1ms;
            miou_unix::sleep(1ms);
            late.push_back(turns_after_due);
            due = clock::time_point::max();
        }
        over = true;
        miou::await_exn(busy);
        // At the first one the domain does not know yet how long a turn takes.
        late.erase(late.begin());
        EXPECT_LE(*std::max_element(late.begin(), late.end()), 2);
    });
}

} // namespace
