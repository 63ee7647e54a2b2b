// Descriptors: what closes them, and what becomes of the tasks that wait for them.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/few_descriptors.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

namespace {

using test::domains;
using test::error_in;
using test::error_of;
namespace errc = boost::system::errc;

/// Reads until it throws.
void read_forever(const miou_unix::file_descr& f) {
    char byte[1];
    for (;;)
        static_cast<void>(miou_unix::read(f, byte));
}

/// Writes until it throws.
void write_forever(const miou_unix::file_descr& f) {
    const std::string block(100'000, 'x');
    for (;;)
        miou_unix::write(f, block);
}

void accept_forever(const miou_unix::file_descr& f) {
    for (;;)
        miou_unix::accept(f);
}

/// A call that parks, and the descriptor for which it waits.
struct parked_call {
    miou_unix::file_descr f;
    std::function<void(const miou_unix::file_descr&)> call;
    std::optional<miou_unix::file_descr> peer = {}; // kept open
};

std::vector<parked_call> calls_that_park() {
    auto [a, b] = test::socket_pair();
    auto [c, d] = test::socket_pair();
    auto [from, to] = test::pipe();
    auto [from2, to2] = test::pipe();
    return {{a, read_forever, b},
            {c, write_forever, d},
            {from, read_forever, to},
            {to2, write_forever, from2},
            {test::listen_on_loopback(), accept_forever}};
}

template <class Spawn>
void close_wakes(Spawn&& spawn) {
    for (const auto& each : calls_that_park()) {
        std::atomic<bool> begun = false;
        const auto task = spawn([&] {
            begun = true;
            each.call(each.f);
        });
        test::yield_until([&] { return begun.load(); });
        miou_unix::close(each.f);
        EXPECT_EQ(error_in(miou::await(task)), errc::bad_file_descriptor);
    }
}

TEST(close, wakes_tasks_that_wait_on_the_same_domain) {
    miou_unix::run({.domains = domains()}, [] {
        for (int i = 0; i < test::scaled(20, 8); ++i)
            close_wakes([](auto fn) { return miou::async(fn); });
    });
}

TEST(close, wakes_tasks_that_wait_on_another_domain) {
    miou_unix::run({.domains = test::at_least(1)}, [] {
        for (int i = 0; i < test::scaled(20, 8); ++i)
            close_wakes([](auto fn) { return miou::call(fn); });
    });
}

TEST(close, on_a_plain_thread_wakes_waiting_tasks) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        const auto reader = test::anywhere([f = from] { read_forever(f); });
        miou::yield();
        const std::jthread closer{[f = from] { miou_unix::close(f); }};
        EXPECT_EQ(error_in(miou::await(reader)), errc::bad_file_descriptor);
    });
}

TEST(close, wakes_many_on_all_domains) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [a, b] = test::socket_pair();
        std::vector<miou::promise<void>> tasks;
        for (int i = 0; i < 10; ++i) {
            tasks.push_back(miou::async([f = a] { read_forever(f); }));
            tasks.push_back(test::anywhere([f = a] { read_forever(f); }));
            tasks.push_back(test::anywhere([f = a] { write_forever(f); }));
        }
        miou::yield();
        miou_unix::close(a);
        for (const auto& each : miou::await_all(tasks))
            EXPECT_EQ(error_in(each), errc::bad_file_descriptor);
    });
}

TEST(close, wakes_a_task_that_connects) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = test::listen_on_loopback(0);
        std::vector<miou_unix::file_descr> sockets;
        std::vector<miou::promise<void>> tasks;
        for (int i = 0; i < 4; ++i) { // more than the queue of pending connections holds
            sockets.push_back(miou_unix::tcpv4());
            tasks.push_back(test::anywhere([f = sockets.back(), &listening] {
                miou_unix::connect(f, miou_unix::getsockname(listening));
            }));
        }
        miou_unix::sleep(0.001);
        for (const auto& each : sockets)
            miou_unix::close(each);
        int woken = 0;
        for (const auto& each : miou::await_all(tasks))
            if (each.has_error()) {
                EXPECT_EQ(error_in(each), errc::bad_file_descriptor);
                ++woken;
            }
        EXPECT_GT(woken, 0);
    });
}

TEST(close, tasks_that_waited_before_ignore_a_reused_number) {
    static constexpr int rounds = test::scaled(300, 100);
    miou_unix::run({.domains = domains()}, [] {
        for (int i = 0; i < rounds; ++i) {
            const auto [old_from, old_to] = test::pipe();
            std::atomic<bool> begun = false;
            const auto reader = test::anywhere([&, f = old_from] {
                begun = true;
                read_forever(f);
            });
            test::yield_until([&] { return begun.load(); });
            miou_unix::close(old_from);
            const auto [from, to] = test::pipe();
            miou_unix::write(to, "new");
            char text[3];
            miou_unix::really_read(from, text);
            EXPECT_EQ(std::string(text, 3), "new");
            EXPECT_EQ(error_in(miou::await(reader)), errc::bad_file_descriptor);
        }
    });
}

TEST(close, every_later_call_says_that_the_descriptor_is_closed) {
    miou_unix::run({.domains = domains()}, [] {
        const auto f = miou_unix::tcpv4();
        auto copy = f;
        miou_unix::close(f);
        char byte[1];
        const std::vector<std::function<void()>> calls{
            [&] { miou_unix::close(copy); },
            [&] { static_cast<void>(miou_unix::read(copy, byte)); },
            [&] { miou_unix::really_read(copy, byte); },
            [&] { miou_unix::write(copy, "x"); },
            [&] { miou_unix::accept(copy); },
            [&] { miou_unix::connect(copy, test::loopback(9)); },
            [&] { miou_unix::bind_and_listen(copy, test::loopback()); },
            [&] { miou_unix::shutdown(copy, SHUT_RDWR); },
            [&] { miou_unix::getsockname(copy); },
            [&] { miou_unix::getpeername(copy); },
            [&] { miou_unix::to_file_descr(copy); },
            [&] { copy.release(); },
        };
        for (const auto& each : calls)
            EXPECT_EQ(error_of(each), errc::bad_file_descriptor);
    });
}

TEST(handles, the_last_one_closes_the_descriptor) {
    miou_unix::run({.domains = domains()}, [] {
        auto [from, to] = test::raw_pipe();
        std::optional reads{miou_unix::of_file_descr(from)};
        {
            auto first = std::optional{miou_unix::of_file_descr(to)};
            const auto second = *first;
            first.reset();
            miou_unix::write(second, "x");
        }
        EXPECT_EQ(test::read_to_end(*reads), "x");
        reads.reset();
        EXPECT_EQ(::fcntl(from, F_GETFD), -1);
        EXPECT_EQ(::fcntl(to, F_GETFD), -1);
    });
}

TEST(handles, the_last_one_closes_a_descriptor_that_other_domains_have_used) {
    miou_unix::run({.domains = test::at_least(1)}, [] {
        auto pair = std::optional{test::socket_pair()};
        miou::await_exn(miou::call([&] {
            miou_unix::write(pair->first, "x");
            char byte[1];
            miou_unix::really_read(pair->second, byte);
        }));
        const int raw = miou_unix::to_file_descr(pair->second);
        pair.reset();
        const test::deadline patience;
        test::yield_until([&] { return ::fcntl(raw, F_GETFD) < 0 || patience.has_passed(); });
        EXPECT_FALSE(patience.has_passed());
    });
}

TEST(handles, may_be_copied_and_dropped_on_all_domains_at_once) {
    miou_unix::run({.domains = domains()}, [] {
        auto shared = std::optional{test::socket_pair()};
        std::vector<miou::promise<void>> tasks;
        for (int i = 0; i < 8; ++i)
            tasks.push_back(test::anywhere([pair = *shared] {
                for (int k = 0; k < 50; ++k) {
                    const auto copy = pair;
                    miou_unix::write(copy.first, "x");
                    char byte[1];
                    miou_unix::really_read(copy.second, byte);
                }
            }));
        shared.reset();
        for (const auto& each : miou::await_all(tasks))
            each.value();
    });
}

TEST(handles, cannot_be_made_of_an_invalid_descriptor) {
    EXPECT_EQ(error_of([] { miou_unix::of_file_descr(-1); }), errc::bad_file_descriptor);
    EXPECT_EQ(error_of([] { miou_unix::of_file_descr({.non_blocking = false}, 1 << 20); }),
              errc::bad_file_descriptor);
}

TEST(release, gives_the_raw_descriptor_back) {
    miou_unix::run({.domains = domains()}, [] {
        auto [from, to] = test::pipe();
        miou_unix::write(to, "a");
        const int raw = to.release();
        EXPECT_EQ(error_of([f = to] { miou_unix::write(f, "x"); }), errc::bad_file_descriptor);
        EXPECT_EQ(error_of([f = to]() mutable { f.release(); }), errc::bad_file_descriptor);
        EXPECT_EQ(::write(raw, "b", 1), 1);
        EXPECT_EQ(::close(raw), 0);
        EXPECT_EQ(test::read_to_end(from), "ab");
    });
}

TEST(release, gives_the_same_number_when_only_one_domain_has_used_it) {
    miou_unix::run({.domains = domains()}, [] {
        auto pair = test::socket_pair();
        const auto reader = miou::async([f = pair.first] { read_forever(f); });
        test::write_and_read({pair.second, pair.first});
        const int known = miou_unix::to_file_descr(pair.first);
        const int raw = pair.first.release();
        EXPECT_EQ(raw, known);
        EXPECT_EQ(error_in(miou::await(reader)), errc::bad_file_descriptor);
        ::close(raw);
    });
}

/// A socket that domain 1 has registered. That domain is busy and runs no other task, so it keeps
/// the registration until `let_go`.
class known_to_busy_domain {
public:
    known_to_busy_domain() {
        test::yield_until([this] { return registered_.load(); });
    }
    known_to_busy_domain(const known_to_busy_domain&) = delete;
    known_to_busy_domain& operator=(const known_to_busy_domain&) = delete;
    ~known_to_busy_domain() { let_go(); }

    void let_go() {
        if (!busy_.exchange(false))
            return;
        miou::await_exn(domain_);
    }
    miou_unix::file_descr& f() noexcept { return pair_.first; }
    miou_unix::file_descr& peer() noexcept { return pair_.second; }

private:
    test::ends pair_ = test::socket_pair();
    std::atomic<bool> registered_ = false;
    std::atomic<bool> busy_ = true;
    const miou::promise<void> domain_ = miou::call({.pin = miou::domain_uid::of_int(1)}, [this] {
        const auto reader = miou::async([f = pair_.first] { read_forever(f); });
        miou_unix::sleep(0.001); // polls the system, so the read is pending
        registered_ = true;
        while (busy_)
            std::this_thread::yield();
        miou::cancel(reader);
    });
};

TEST(release, domains_that_knew_the_number_ignore_what_gets_it_next) {
    for (int i = 0; i < test::scaled(20, 5); ++i)
        miou_unix::run({.domains = test::at_least(1)}, [] {
            known_to_busy_domain socket;
            ::close(socket.f().release());
            const auto next = test::socket_pair();
            const auto reader = miou::call({.pin = miou::domain_uid::of_int(1)}, [f = next.first] {
                char byte[1];
                return miou_unix::read(f, byte);
            });
            socket.let_go();
            miou_unix::sleep(0.001);
            miou_unix::write(next.second, "x");
            EXPECT_EQ(miou::await_exn(reader), 1u);
        });
}

TEST(release, gives_another_number_of_the_same_file_while_another_domain_knows_the_first) {
    miou_unix::run({.domains = test::at_least(1)}, [] {
        const std::size_t before = test::open_descriptors();
        {
            known_to_busy_domain socket;
            const int known = miou_unix::to_file_descr(socket.f());
            ::fcntl(known, F_SETFD, 0);
            const int raw = socket.f().release();
            EXPECT_NE(raw, known);
            EXPECT_EQ(::fcntl(raw, F_GETFD), 0)
                << "programs inherit the new number, as they would the old one";
            EXPECT_NE(::fcntl(raw, F_GETFL) & O_NONBLOCK, 0);
            EXPECT_EQ(error_of([&] { miou_unix::to_file_descr(socket.f()); }),
                      errc::bad_file_descriptor);
            miou_unix::write(socket.peer(), "x");
            char byte[1];
            EXPECT_EQ(::read(raw, byte, 1), 1);
            ::close(raw);
        }
        const test::deadline patience;
        test::yield_until(
            [&] { return test::open_descriptors() == before || patience.has_passed(); });
        EXPECT_EQ(test::open_descriptors(), before);
    });
}

TEST(release, changes_nothing_if_there_is_no_number_to_give) {
    miou_unix::run({.domains = test::at_least(1)}, [] {
        known_to_busy_domain socket;
        {
            const test::few_descriptors none_left;
            EXPECT_EQ(error_of([&] { socket.f().release(); }), errc::too_many_files_open);
        }
        miou_unix::write(socket.f(), "x");
        char byte[1];
        EXPECT_EQ(miou_unix::read(socket.peer(), byte), 1u);
        ::close(socket.f().release());
    });
}

TEST(release, wakes_the_waiting_tasks_of_all_domains_and_closes_nothing) {
    for (int i = 0; i < 20; ++i) {
        int raw = -1;
        miou_unix::run({.domains = domains()}, [&] {
            auto [from, to] = test::pipe();
            const auto here = miou::async([f = from] { read_forever(f); });
            const auto there = test::anywhere([f = from] { read_forever(f); });
            const auto busy = test::anywhere([f = to] { write_forever(f); });
            for (int k = 0; k < i; ++k)
                miou::yield();
            raw = from.release();
            EXPECT_EQ(error_in(miou::await(here)), errc::bad_file_descriptor);
            EXPECT_EQ(error_in(miou::await(there)), errc::bad_file_descriptor);
            miou::cancel(busy);
        });
        EXPECT_GE(::fcntl(raw, F_GETFD), 0);
        ::close(raw);
    }
}

TEST(handles, that_were_moved_from_are_refused_by_every_call) {
    miou_unix::run({.domains = domains()}, [] {
        auto f = miou_unix::tcpv4();
        const auto still_good = std::move(f);
        char byte[1];
        const std::vector<std::pair<std::string, std::function<void()>>> calls{
            {"close", [&] { miou_unix::close(f); }},
            {"read", [&] { static_cast<void>(miou_unix::read(f, byte)); }},
            {"read", [&] { miou_unix::really_read(f, byte); }},
            {"write", [&] { miou_unix::write(f, "x"); }},
            {"write", [&] { miou_unix::write(f, ""); }},
            {"accept", [&] { miou_unix::accept(f); }},
            {"connect", [&] { miou_unix::connect(f, test::loopback(9)); }},
            {"bind_and_listen", [&] { miou_unix::bind_and_listen(f, test::loopback()); }},
            {"recvfrom", [&] { miou_unix::recvfrom(f, byte); }},
            {"sendto", [&] { miou_unix::sendto(f, "x", test::loopback(9)); }},
            {"shutdown", [&] { miou_unix::shutdown(f, SHUT_RDWR); }},
            {"getsockname", [&] { miou_unix::getsockname(f); }},
            {"getpeername", [&] { miou_unix::getpeername(f); }},
            {"to_file_descr", [&] { miou_unix::to_file_descr(f); }},
            {"file_descr::release", [&] { f.release(); }},
        };
        for (const auto& [name, call] : calls) {
            const auto text = test::message_of<std::invalid_argument>(call);
            EXPECT_TRUE(test::contains(text, "miou_unix::" + name + ":")) << text;
        }
        EXPECT_GE(miou_unix::to_file_descr(still_good), 0);
    });
}

TEST(handles, that_name_one_descriptor_are_equal_and_have_one_hash) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::pipe();
        const auto copy = from;
        EXPECT_TRUE(copy == from);
        EXPECT_TRUE(from != to);
        const std::unordered_set<miou_unix::file_descr> known{from, to, copy};
        EXPECT_EQ(known.size(), 2u);
        miou_unix::close(from);
        EXPECT_TRUE(known.contains(copy)) << "a closed handle keeps its hash";
    });
}

TEST(eventfd, is_read_and_written_like_any_other) {
    miou_unix::run({.domains = domains()}, [] {
        const auto f = miou_unix::of_file_descr(::eventfd(0, EFD_CLOEXEC));
        const auto reader = test::anywhere([&] {
            std::uint64_t counted = 0;
            miou_unix::really_read(f, std::span{&counted, 1});
            return counted;
        });
        miou::yield();
        const std::uint64_t three = 3;
        miou_unix::write(f, std::span{&three, 1});
        EXPECT_EQ(miou::await_exn(reader), 3u);
    });
}

} // namespace
