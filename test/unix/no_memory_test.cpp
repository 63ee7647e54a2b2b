// Programs that run out of memory. Each is run again and again: the first time the first call of
// `new` fails, then the second, and so on until none is left. Whatever fails, the program must end
// with its value or with an exception that says so, soon, and leave nothing behind.
// NO_MEMORY_ROUNDS in the environment says how often that is done: which thread makes a call, and
// what the others do meanwhile, differs.
//
//     NO_MEMORY_ROUNDS=1000 MIOU_DOMAINS=3 build/test/no_memory_test

#include "support/domains.hpp"
#include "support/failing_new.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/tasks.hpp"
#include "support/ticks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using miou_unix::file_descr;
using miou_unix::use_fiber;
using test::anywhere;
using test::at_least;
using test::domains;

// --- What the programs are made of ---------------------------------------------------------------

/// Something that must not be left behind.
class counted {
public:
    counted() noexcept { ++living; }
    counted(const counted&) noexcept { ++living; }
    counted& operator=(const counted&) noexcept = default;
    ~counted() { --living; }

    inline static constinit std::atomic<int> living = 0;
};

class expected_failure : public std::exception {};

template <class F>
int on_core(F fn) {
    return miou::run({.domains = domains()}, std::move(fn));
}
template <class F>
int on_reactor(F fn) {
    return miou_unix::run({.domains = domains()}, std::move(fn));
}

/// Signals it when it goes: also when what its task does has failed.
struct at_end_signal {
    miou::trigger& end;
    ~at_end_signal() { end.signal(); }
};

/// In a task.
void wait_for(miou::trigger& end) {
    if (const std::exception_ptr cancellation = end.await())
        std::rethrow_exception(cancellation);
}

/// Of what two tasks return that wait for each other: if one fails the other one must not wait.
int sum_of(const miou::promise<int>& a, const miou::promise<int>& b) {
    miou::await_one({a, b}).value();
    return miou::await_exn(a) + miou::await_exn(b);
}

/// A raw descriptor that belongs to the program until a file_descr has taken it.
class raw_descriptor {
public:
    explicit raw_descriptor(int fd) noexcept
        : fd_{fd} {}
    raw_descriptor(const raw_descriptor&) = delete;
    raw_descriptor& operator=(const raw_descriptor&) = delete;
    ~raw_descriptor() {
        if (fd_ >= 0)
            ::close(fd_);
    }
    int number() const noexcept { return fd_; }
    file_descr taken() {
        file_descr made = miou_unix::of_file_descr(fd_);
        fd_ = -1;
        return made;
    }

private:
    int fd_;
};

test::ends connected_pair() {
    const auto raw = test::raw_socket_pair();
    raw_descriptor first{raw.first};
    raw_descriptor second{raw.second};
    file_descr a = first.taken();
    return {a, second.taken()};
}

char read_byte(const file_descr& from) {
    char byte = 0;
    miou_unix::really_read(from, {&byte, 1});
    return byte;
}

// --- Programs of the core ------------------------------------------------------------------------

int tasks() {
    return on_core([mine = counted{}] {
        auto a = miou::async([mine = counted{}] { return 1; });
        auto b = anywhere([mine = counted{}] {
            auto c = miou::async([mine = counted{}] { return std::string(100, 'x'); });
            return static_cast<int>(miou::await_exn(std::move(c)).size());
        });
        miou::yield();
        return miou::await_exn(a) + miou::await_exn(b);
    });
}

int cancelled_subtree() {
    return on_core([] {
        const auto tree = anywhere([mine = counted{}] {
            const auto here = miou::async([mine = counted{}] { test::forever(); });
            const auto there = anywhere([mine = counted{}] { test::forever(); });
            miou::await_exn(here);
            miou::await_exn(there);
        });
        miou::yield();
        miou::cancel(tree);
        return miou::await(tree).has_error() ? 1 : 0;
    });
}

int forgotten_child() {
    try {
        return on_core([] {
            const auto child = anywhere([mine = counted{}] { test::forever(); });
            miou::yield();
            return 0;
        });
    } catch (const miou::still_has_children&) {
        return 1;
    }
}

int orphaned_children() {
    return on_core([] {
        miou::orphans<int> some;
        for (int i = 1; i <= 3; ++i)
            static_cast<void>(miou::async(some, [i, mine = counted{}] { return i; }));
        int sum = 0;
        while (const auto next = miou::get(some))
            sum += next->value();
        return sum;
    });
}

int parallel_elements() {
    return miou::run({.domains = at_least(1)}, [] {
        int sum = 0;
        for (const auto& each :
             miou::parallel([mine = counted{}](int n) { return 2 * n; }, {1, 2, 3, 4}))
            sum += each.value();
        return sum;
    });
}

int first_of_several() {
    return on_core([] {
        const auto never = [mine = counted{}]() -> int { test::forever(); };
        std::vector<miou::promise<int>> several;
        several.push_back(miou::async(never));
        several.push_back(anywhere([mine = counted{}] { return 1; }));
        const int one = miou::await_first(several).value();
        const auto late = miou::async(never);
        const auto two = miou::async([mine = counted{}] { return std::string(2, 'x'); });
        return one + static_cast<int>(std::get<1>(miou::await_first(late, two).value()).size());
    });
}

int owned_resources() {
    int finalised = 0; // finalisers run when the function of the task has ended
    return on_core([&] {
        const auto make = [&] {
            return miou::ownership{counted{}, [&](counted&) { ++finalised; }};
        };
        const auto released = make();
        released.own();
        const auto given = make();
        const auto child =
            miou::async({.give = {given}}, [=, mine = counted{}] { given.transfer(); });
        miou::await_exn(child);
        given.release();
        released.release();
        return finalised;
    });
}

int finalisers_that_throw() {
    return on_core([] {
        const auto outcome = miou::await(anywhere([mine = counted{}] {
            const miou::ownership one{counted{}, [](counted&) { throw expected_failure{}; }};
            one.own();
            const miou::ownership other{counted{}, [](counted&) { throw 1; }};
            other.own();
            throw expected_failure{};
        }));
        return outcome.has_error() ? 1 : 0;
    });
}

int leaked_resource() {
    try {
        return on_core([] {
            const miou::ownership leaked{counted{}, [](counted&) { throw expected_failure{}; }};
            leaked.own();
            return 0;
        });
    } catch (const miou::resource_leaked&) {
        return 1;
    }
}

int hooks() {
    int steps = 0; // hooks run until the end of the run
    return on_core([&] {
        const auto good = miou::hook::add([&steps, mine = counted{}] { ++steps; });
        miou::hook::add([mine = counted{}] { throw expected_failure{}; });
        while (steps < 3)
            miou::yield();
        good.remove();
        miou::yield();
        return steps;
    });
}

int triggers() {
    return on_core([] {
        miou::trigger fires;
        std::atomic<int> calls = 0;
        fires.on_signal([&, mine = counted{}] {
            ++calls;
            throw expected_failure{};
        });
        miou::trigger dropped;
        dropped.on_signal([mine = counted{}] {});
        miou::trigger awaited;
        const auto child = anywhere([&] {
            const at_end_signal tell{awaited};
            fires.signal();
        });
        wait_for(awaited);
        miou::await_exn(child);
        return calls.load();
    });
}

int computations() {
    return on_core([] {
        const miou::computation<std::string> value;
        const auto child = anywhere([=, mine = counted{}] {
            const bool done = value.try_capture([] { return std::string(50, 'x'); });
            return done && !value.is_running();
        });
        miou::trigger attached;
        const bool is_attached = value.try_attach(attached);
        const auto outcome = value.await();
        if (is_attached)
            value.detach(attached);
        miou::await_exn(child);
        const miou::computation<void> from, into;
        const auto between = miou::canceller(from, into);
        from.try_attach(*between);
        from.try_cancel(std::make_exception_ptr(expected_failure{}));
        return static_cast<int>(outcome.value().size()) + (into.is_running() ? 0 : 1);
    });
}

int contention() {
    return on_core([] {
        miou::mutex guard;
        miou::condition changed;
        int waiting = 3;
        const auto part = [&, mine = counted{}] {
            std::unique_lock lock{guard};
            --waiting;
            changed.broadcast();
            changed.wait(lock, [&] { return waiting == 0; });
        };
        const auto a = anywhere(part);
        const auto b = miou::async(part);
        part();
        miou::await_exn(a);
        miou::await_exn(b);
        return 1;
    });
}

int lazy_values() {
    return on_core([] {
        auto text = miou::lazy<std::string>::from_fun([mine = counted{}] {
            miou::yield();
            return std::string(40, 'x');
        });
        const auto other = anywhere([&] { return text.force().size(); });
        const std::size_t mine = text.force().size();
        return static_cast<int>(mine + miou::await_exn(other));
    });
}

int protected_functions() {
    int cleaned = 0;
    const int wanted = on_core([&] {
        bool entered = false;
        const auto child = miou::async([&] {
            miou::protect(
                {.on_cancellation = [&] { ++cleaned; }, .finally = [&](bool) { ++cleaned; }},
                [&, mine = counted{}] {
                    entered = true;
                    test::forever();
                });
        });
        miou::yield();
        miou::cancel(child);
        miou::protect({.finally = [&](bool) { ++cleaned; }}, [] {});
        return entered ? 3 : 1;
    });
    return cleaned == wanted ? 1 : 0;
}

int limited_pieces() {
    return on_core([] {
        miou::cancel_scope limit;
        const auto child = anywhere([&, mine = counted{}] { limit.cancel(); });
        const bool returned = limit.run([&, mine = counted{}] {
            test::yield_until([&] { return child.state() == miou::promise_state::exited; });
        });
        miou::await_exn(child);
        return returned ? 0 : 1;
    });
}

int suspensions() {
    test::ticks system;
    int woken = 0;
    system.run(domains(), [&] {
        const auto a = anywhere([&, mine = counted{}] { system.sleep(2); });
        const auto b = miou::async([&, mine = counted{}] { system.sleep(1'000'000); });
        system.sleep(1);
        miou::cancel(b);
        miou::await_exn(a);
        woken = 1;
    });
    return woken;
}

int systems_that_throw_at_their_end() {
    return miou::run(
        {.domains = domains(),
         .events =
             [](miou::domain_uid) {
                 return miou::events{{}, {}, [mine = counted{}] { throw expected_failure{}; }};
             }},
        [] { return miou::await_exn(anywhere([] { return 1; })); });
}

int nested_runs() {
    return on_core([] { return miou::await_exn(anywhere([] { return tasks() + contention(); })); });
}

int cleanup_that_suspends() {
    return on_core([] {
        struct cleanup {
            ~cleanup() { miou::yield(); }
        };
        const auto outcome = miou::await(anywhere([mine = counted{}] {
            const cleanup last;
            const auto child = miou::async([mine = counted{}] { test::forever(); });
            miou::yield();
            throw expected_failure{};
        }));
        return outcome.has_error() ? 1 : 0;
    });
}

int traces() {
    std::atomic<int> events = 0;
    miou::trace::set_reporter([&, mine = counted{}](const miou::trace::event&) { ++events; });
    struct at_end {
        ~at_end() { miou::trace::set_reporter({}); }
    } const until_return;
    suspensions();
    miou::trace::set_reporter(
        [mine = counted{}](const miou::trace::event&) { throw expected_failure{}; });
    return suspensions();
}

// --- Programs of miou_unix -----------------------------------------------------------------------

int sleepers() {
    return on_reactor([] {
        const auto far = miou::async([mine = counted{}] { miou_unix::sleep(1h); });
        const auto there = anywhere([mine = counted{}] { miou_unix::sleep(2ms); });
        const auto near = miou::async([mine = counted{}] { miou_unix::sleep(1ms); });
        miou::await_exn(near);
        miou_unix::sleep(1ms);
        miou::await_exn(there);
        miou::cancel(far);
        return 1;
    });
}

/// A message there and back.
int echoed_by(const file_descr& listening, const file_descr& client) {
    const auto there = anywhere([listening, mine = counted{}] {
        const file_descr accepted = miou_unix::accept(listening).first;
        miou_unix::write(accepted, std::string(1, read_byte(accepted)));
        return 0;
    });
    const auto here = miou::async([&, mine = counted{}] {
        miou_unix::connect(client, miou_unix::getsockname(listening));
        try {
            miou_unix::write(client, "x");
            return read_byte(client) == 'x' ? 1 : 0;
        } catch (const boost::system::system_error&) { // the other one has failed
            return 0;
        }
    });
    return sum_of(there, here);
}

int tcp_connection() {
    return on_reactor([] { return echoed_by(test::listen_on_loopback(), miou_unix::tcpv4()); });
}

int unix_connection() {
    return on_reactor([] {
        const std::string name = std::string{'\0'} + "miou." + std::to_string(::getpid());
        const auto listening = miou_unix::unix_socket();
        miou_unix::bind_and_listen(listening, boost::asio::local::stream_protocol::endpoint{name});
        return echoed_by(listening, miou_unix::unix_socket());
    });
}

int datagrams() {
    return on_reactor([] {
        const auto a = miou_unix::udpv4();
        miou_unix::bind_and_listen(a, test::loopback());
        const auto receiver = anywhere([a, mine = counted{}] {
            std::array<char, 10> into;
            return static_cast<int>(miou_unix::recvfrom(a, into).first);
        });
        const auto b = miou_unix::udpv4();
        miou_unix::sendto(b, "1234", miou_unix::getsockname(a));
        return miou::await_exn(receiver);
    });
}

/// A task waits for what is closed on another domain.
int closed_elsewhere() {
    return miou_unix::run({.domains = at_least(1)}, [] {
        const auto [near, far] = connected_pair();
        miou::trigger has_read;
        const auto child = miou::call([&, near = near, mine = counted{}] {
            {
                const at_end_signal tell{has_read};
                read_byte(near);
            }
            read_byte(near);
        });
        miou_unix::write(far, "x");
        wait_for(has_read);
        miou_unix::close(near);
        const auto outcome = miou::await(child);
        if (test::error_in(outcome) == boost::system::errc::bad_file_descriptor)
            return 1;
        outcome.value();
        return 0;
    });
}

/// The last handle goes on another domain than those that it was used on.
int dropped_elsewhere() {
    return miou_unix::run({.domains = at_least(1)}, [] {
        auto both = connected_pair();
        miou_unix::write(both.second, "x");
        read_byte(both.first);
        miou::await_exn(miou::call([own = std::move(both), mine = counted{}] {
            miou_unix::write(own.first, "y");
            read_byte(own.second);
        }));
        return 1;
    });
}

int watched_descriptors() {
    return on_reactor([] {
        const auto raw = test::raw_pipe();
        const raw_descriptor out{raw.first};
        const raw_descriptor in{raw.second};
        const auto child = anywhere([&, mine = counted{}] { miou_unix::blocking_read(raw.first); });
        miou_unix::blocking_write(raw.second);
        const bool written = ::write(raw.second, "x", 1) == 1;
        miou::await_exn(child);
        return written ? 1 : 0;
    });
}

int released_descriptors() {
    return on_reactor([] {
        auto both = connected_pair();
        miou_unix::write(both.second, "x");
        read_byte(both.first);
        const raw_descriptor released{both.first.release()};
        return released.number() >= 0 ? 1 : 0;
    });
}

int owned_descriptors() {
    return on_reactor([] {
        const auto outcome = miou::await(miou::async([mine = counted{}] {
            const auto listening = miou_unix::ownership::tcpv4();
            miou_unix::ownership::bind_and_listen(listening, test::loopback());
            const auto client = miou_unix::ownership::tcpv4();
            miou_unix::ownership::connect(client, miou_unix::getsockname(listening.checked()));
            const auto accepted = miou_unix::ownership::accept(listening).first;
            throw expected_failure{};
        }));
        return outcome.has_error() ? 1 : 0;
    });
}

int resolved_and_connected() {
    return on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const auto port = std::to_string(miou_unix::getsockname(listening).port());
        const auto client = miou_unix::connect("127.0.0.1", port);
        miou_unix::write(client, "x");
        return read_byte(miou_unix::accept(listening).first) == 'x' ? 1 : 0;
    });
}

int server() {
    return on_reactor([] {
        const auto listening = test::listen_on_loopback();
        const miou_unix::stop_request stop;
        const auto address = miou_unix::getsockname(listening);
        const auto client = anywhere([=, mine = counted{}] {
            struct at_end {
                const miou_unix::stop_request& stop;
                ~at_end() { stop.make(); }
            } const tell{stop};
            for (int i = 0; i < 2; ++i) {
                const auto mine = miou_unix::tcpv4();
                miou_unix::connect(mine, address);
                try {
                    miou_unix::write(mine, "x");
                    read_byte(mine);
                } catch (const boost::system::system_error&) { // nobody has answered
                }
            }
        });
        [[maybe_unused]] const auto cut_off = miou_unix::serve(
            {.grace = 0ms}, listening, stop,
            [count = counted{}](const file_descr& connection, miou_unix::sockaddr) {
                miou_unix::write(connection, std::string(1, read_byte(connection)));
                throw expected_failure{};
            });
        miou::await_exn(client);
        return 1;
    });
}

int time_outs() {
    return on_reactor([] {
        const int in_time = miou_unix::with_timeout(1h, [mine = counted{}] { return 1; });
        try {
            miou_unix::with_timeout(1ms, [mine = counted{}] { test::forever(); });
        } catch (const miou_unix::timed_out&) {
            return in_time;
        }
        return 0;
    });
}

int functions_that_block() {
    return on_reactor([] {
        const auto child =
            anywhere([mine = counted{}] { return miou_unix::blocking([] { return 1; }); });
        return miou_unix::blocking([mine = counted{}] { return 1; }) + miou::await_exn(child);
    });
}

int calls_of_asio() {
    return on_reactor([] {
        boost::asio::steady_timer timer{miou_unix::executor(), 1ms};
        timer.async_wait(use_fiber);
        tcp::acceptor acceptor{miou_unix::executor(),
                               tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
        tcp::socket client{miou_unix::executor()};
        client.async_connect(acceptor.local_endpoint(), use_fiber);
        tcp::socket accepted = acceptor.async_accept(use_fiber);
        const auto reader = miou::async([&, mine = counted{}] {
            std::array<char, 4> into;
            return static_cast<int>(
                boost::asio::async_read(accepted, boost::asio::buffer(into), use_fiber));
        });
        const auto late = miou::async([&, mine = counted{}] {
            std::array<char, 4> into;
            boost::asio::async_read(client, boost::asio::buffer(into), use_fiber);
        });
        miou::yield();
        boost::asio::async_write(client, boost::asio::buffer("1234", 4), use_fiber);
        miou::cancel(late);
        return miou::await_exn(reader);
    });
}

int posix_signals() {
    return on_reactor([] {
        const auto handled = std::make_shared<miou::trigger>(); // which outlives this function
        miou::sys_signal(SIGUSR1, miou::signal_handle([handled, mine = counted{}](int) {
                             const at_end_signal tell{*handled};
                             throw expected_failure{};
                         }));
        ::raise(SIGUSR1);
        miou_unix::with_timeout(5s, [&] { wait_for(*handled); });
        return 1;
    });
}

int stopped_by_a_signal() {
    return on_reactor([] {
        const auto stop = miou_unix::stop_request::on({SIGUSR1, SIGUSR2});
        ::raise(SIGUSR2);
        miou_unix::with_timeout(5s, [&] { stop.wait(); });
        return stop.is_made() ? 1 : 0;
    });
}

// --- Running them --------------------------------------------------------------------------------

struct program {
    const char* name;
    int (*run)();
    int value;
};

constexpr program programs[] = {
    {"tasks", tasks, 101},
    {"cancelled_subtree", cancelled_subtree, 1},
    {"forgotten_child", forgotten_child, 1},
    {"orphaned_children", orphaned_children, 6},
    {"parallel_elements", parallel_elements, 20},
    {"first_of_several", first_of_several, 3},
    {"owned_resources", owned_resources, 2},
    {"finalisers_that_throw", finalisers_that_throw, 1},
    {"leaked_resource", leaked_resource, 1},
    {"hooks", hooks, 3},
    {"triggers", triggers, 1},
    {"computations", computations, 51},
    {"contention", contention, 1},
    {"lazy_values", lazy_values, 80},
    {"protected_functions", protected_functions, 1},
    {"limited_pieces", limited_pieces, 1},
    {"suspensions", suspensions, 1},
    {"systems_that_throw_at_their_end", systems_that_throw_at_their_end, 1},
    {"nested_runs", nested_runs, 102},
    {"cleanup_that_suspends", cleanup_that_suspends, 1},
    {"traces", traces, 1},
    {"sleepers", sleepers, 1},
    {"tcp_connection", tcp_connection, 1},
    {"unix_connection", unix_connection, 1},
    {"datagrams", datagrams, 4},
    {"closed_elsewhere", closed_elsewhere, 1},
    {"dropped_elsewhere", dropped_elsewhere, 1},
    {"watched_descriptors", watched_descriptors, 1},
    {"released_descriptors", released_descriptors, 1},
    {"owned_descriptors", owned_descriptors, 1},
    {"resolved_and_connected", resolved_and_connected, 1},
    {"server", server, 1},
    {"time_outs", time_outs, 1},
    {"functions_that_block", functions_that_block, 2},
    {"calls_of_asio", calls_of_asio, 4},
    {"posix_signals", posix_signals, 1},
    {"stopped_by_a_signal", stopped_by_a_signal, 1},
};

std::ostream& operator<<(std::ostream& out, const program& p) {
    return out << p.name;
}

char last_words[200]; // of the watchdog

/// Ends the process when the program does not come to an end.
class watchdog {
public:
    watchdog(const program& of, std::size_t call) {
        std::snprintf(last_words, sizeof last_words, "%s hangs when call %zu of new fails\n",
                      of.name, call);
        std::signal(SIGALRM, [](int) {
            [[maybe_unused]] const auto ignored =
                ::write(STDERR_FILENO, last_words, std::strlen(last_words));
            std::abort();
        });
        ::alarm(60);
    }
    ~watchdog() { ::alarm(0); }
};

bool says_no_memory(const std::error_code& code) {
    return code == std::errc::not_enough_memory ||
           code == std::errc::resource_unavailable_try_again;
}

/// What a program without memory may end with.
std::string complaint_about(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::bad_alloc&) {
        return {};
    } catch (const std::system_error& other) {
        return says_no_memory(other.code()) ? std::string{} : other.what();
    } catch (const std::exception& other) {
        return other.what();
    } catch (...) {
        return "an unknown exception";
    }
}

/// False: no call was left that could fail.
bool survives(const program& it, std::size_t first, std::size_t count) {
    const std::size_t descriptors = test::open_descriptors();
    std::optional<int> returned;
    std::exception_ptr thrown;
    bool struck = false;
    {
        const watchdog barks{it, first};
        const test::failing_new until_return{first, count};
        try {
            returned = it.run();
        } catch (...) {
            thrown = std::current_exception();
        }
        struck = until_return.has_struck();
    }
    SCOPED_TRACE("call " + std::to_string(first));
    if (thrown)
        EXPECT_EQ(struck ? complaint_about(thrown) : "an exception for no reason", "");
    else
        EXPECT_EQ(returned, it.value);
    EXPECT_EQ(counted::living.load(), 0) << "an object was left behind";
    EXPECT_EQ(test::open_descriptors(), descriptors) << "a descriptor was left behind";
    struct sigaction now {};
    ::sigaction(SIGUSR1, nullptr, &now);
    EXPECT_EQ(now.sa_handler, SIG_DFL) << "a signal handler was left behind";
    return struck;
}

/// How often each call is tried; which thread makes it is another one each time.
int rounds() {
    const char* const text = std::getenv("NO_MEMORY_ROUNDS");
    return text ? std::atoi(text) : 1;
}

class no_memory : public testing::TestWithParam<program> {
protected:
    static void fail_in_turn(std::size_t count) {
        miou::logs::set_sink([](miou::logs::level, std::string_view line) {
            std::string{line}.append(100, ' '); // which may fail, too
        });
        std::size_t calls = 0;
        for (int round = 0; round < rounds() && !HasFailure(); ++round)
            for (calls = 1; survives(GetParam(), calls, count) && !HasFailure();)
                ++calls;
        EXPECT_GT(calls, 5u) << "hardly anything was tried";
        miou::logs::set_sink({});
    }
};

TEST_P(no_memory, for_one_call_is_an_exception_and_leaves_nothing_behind) {
    fail_in_turn(1);
}

TEST_P(no_memory, for_a_while_is_an_exception_and_leaves_nothing_behind) {
    fail_in_turn(10);
}

INSTANTIATE_TEST_SUITE_P(programs, no_memory, testing::ValuesIn(programs),
                         [](const auto& each) { return std::string{each.param.name}; });

} // namespace
