// Calls that wait for children that get no stack. Each runs in a process of its own, because it
// uses up the address space.

#include "support/address_space.hpp"
#include "support/sanitized.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

// The sanitizers' own allocators end the process when they get no memory.
#if !TEST_SANITIZED

/// Sleeping tasks that have all the stacks there are.
class no_stack_left {
public:
    no_stack_left() {
        test::limit_address_space(1u << 20);
        for (bool refused = false; !refused;) {
            miou::async(sleepers_, [] { miou_unix::sleep(1h); });
            miou::yield();
            miou::yield();
            while (const auto ended = miou::care(sleepers_)) {
                if (!*ended)
                    break;
                refused |= miou::await(**ended).has_error();
            }
        }
    }
    ~no_stack_left() {
        std::vector<miou::promise<void>> left;
        while (auto each = miou::take(sleepers_))
            left.push_back(std::move(*each));
        miou::cancel_all(left);
    }
    no_stack_left(const no_stack_left&) = delete;
    no_stack_left& operator=(const no_stack_left&) = delete;

private:
    miou::orphans<void> sleepers_;
};

/// Calls `holds(prepare())`, where `holds` runs while no task can get a stack. Ends the process,
/// with status 0 if it returned true.
template <class Prepare, class F>
[[noreturn]] void without_stacks(Prepare prepare, F holds) {
    ::alarm(20); // kills a process that hangs
    bool held = false;
    miou_unix::run({.domains = 0}, [&] {
        miou_unix::sleep(1ms);
        auto prepared = prepare();
        const no_stack_left shortage;
        held = holds(prepared);
    });
    std::_Exit(held ? 0 : 1);
}

miou_unix::file_descr listening_socket() {
    auto made = miou_unix::tcpv4();
    miou_unix::bind_and_listen(
        made, boost::asio::ip::tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0});
    return made;
}

using no_stack_death_test = test::fresh_process;

TEST_F(no_stack_death_test, a_call_with_a_limit_needs_no_further_stack) {
    const auto limited = [](int value) {
        return miou_unix::with_timeout(1h, [=] {
            miou_unix::sleep(1ms);
            return value == 1;
        });
    };
    EXPECT_EXIT(without_stacks([] { return 1; }, limited), testing::ExitedWithCode(0), "");
}

TEST_F(no_stack_death_test, connect_to_addresses_fails_at_once) {
    const auto fails = [](const miou_unix::file_descr& listening) {
        const std::vector<miou_unix::sockaddr> addresses{miou_unix::getsockname(listening)};
        try {
            miou_unix::connect({.attempt_delay = 1h}, addresses);
        } catch (const miou::no_stack&) {
            return true;
        }
        return false;
    };
    EXPECT_EXIT(without_stacks(listening_socket, fails), testing::ExitedWithCode(0), "");
}

TEST_F(no_stack_death_test, drain_returns_when_its_tasks_have_failed_and_logs_that) {
    const auto drains = [](int) {
        miou::orphans<void> tasks;
        miou::async(tasks, [] {});
        return miou_unix::drain(tasks, 1h).empty();
    };
    EXPECT_EXIT(without_stacks([] { return 0; }, drains), testing::ExitedWithCode(0),
                "failed: miou: no memory for the stack of a task");
}

/// A listening socket with a connection in its queue. When the connection is closed, the stop is
/// requested.
struct server_with_client {
    miou_unix::file_descr listening = listening_socket();
    miou_unix::stop_request stop;
    int client = connected_to(listening);
    std::thread closed{[this] {
        char byte;
        while (::read(client, &byte, 1) > 0) {
        }
        stop.make();
    }};
    ~server_with_client() {
        closed.join();
        ::close(client);
    }

    static int connected_to(const miou_unix::file_descr& server) {
        const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const auto address = miou_unix::getsockname(server);
        if (::connect(made, address.data(), address.size()) != 0)
            std::_Exit(5);
        return made;
    }
};

TEST_F(no_stack_death_test, serve_closes_the_connection_and_goes_on_until_the_stop) {
    const auto serves = [](const std::unique_ptr<server_with_client>& all) {
        return miou_unix::serve(all->listening, all->stop,
                                [](miou_unix::file_descr, miou_unix::sockaddr) {})
            .empty();
    };
    EXPECT_EXIT(without_stacks([] { return std::make_unique<server_with_client>(); }, serves),
                testing::ExitedWithCode(0), "");
}

#endif

} // namespace
