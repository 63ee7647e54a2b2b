// Has the C++ lines of docs/porting.md about the core. test/pages/porting_page_test.py compares
// them.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"

#include <gtest/gtest.h>

#include <boost/system/result.hpp>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

namespace {

using test::at_least;
using test::is;

int fn() {
    return 42;
}

TEST(porting_core, programs) {
    EXPECT_EQ(miou::run(fn), 42);
    EXPECT_EQ(miou::run({.quanta = 8, .g = 7, .domains = 3}, fn), 42);
    EXPECT_EQ(miou::run({.poll = 8}, fn), 42);
}

TEST(porting_core, tasks) {
    miou::run({.domains = at_least(1)}, [] {
        const auto prm = miou::async(fn);
        const auto other = miou::call(fn);
        const auto pinned = miou::call({.pin = miou::domain_uid::of_int(1)}, fn);
        miou::yield();
        const miou::result<int> outcome = miou::await(prm);
        EXPECT_EQ(outcome.value(), 42);
        EXPECT_EQ(miou::await_exn(prm), 42);
        EXPECT_EQ(miou::await_exn(pinned), 42);
        EXPECT_EQ(miou::await_exn(other), 42);

        const std::vector<int> elements{1, 2, 3};
        const auto doubled = miou::parallel([](int n) { return 2 * n; }, elements);
        EXPECT_EQ(doubled[2].value(), 6);
    });
}

TEST(porting_core, several_tasks) {
    miou::run({.domains = test::domains()}, [] {
        const auto a = miou::async(fn);
        const auto b = miou::async(fn);
        EXPECT_EQ(miou::await_one({a, b}).value(), 42);
        const std::vector<miou::result<int>> all = miou::await_all({a, b});
        EXPECT_EQ(all.size(), 2u);
        const auto c = miou::async(fn);
        const auto d = miou::async([]() -> int { test::forever(); });
        EXPECT_EQ(miou::await_first({c, d}).value(), 42);
    });
}

TEST(porting_core, finished_losers) {
    miou::run({.domains = test::domains()}, [] {
        const auto finished_pair = [] {
            const std::vector<miou::promise<int>> both{miou::async(fn), miou::async(fn)};
            while (std::ranges::any_of(both, [](const auto& each) {
                return each.state() == miou::promise_state::running;
            }))
                miou::yield();
            return both;
        };
        const auto dropped = finished_pair();
        EXPECT_EQ(miou::await_first(dropped).value(), 42);
        EXPECT_EQ(std::ranges::count(dropped, miou::promise_state::exited,
                                     [](const auto& each) { return each.state(); }),
                  1);
        const auto kept = finished_pair();
        EXPECT_EQ(miou::await_one(kept).value(), 42);
        for (const auto& other : kept) {
            if (other.state() == miou::promise_state::finished) {
                EXPECT_EQ(miou::await_exn(other), 42);
            } else {
                miou::cancel(other);
            }
        }
    });
}

TEST(porting_core, handlers) {
    miou::run({.domains = at_least(1)}, [] {
        const std::function<int(int)> handler = [](int n) { return n + 1; };
        EXPECT_EQ(miou::await_exn(miou::call([handler] { return handler(20); })), 21);
        const auto a = handler;
        const auto b = handler;
        const std::function<int(int)> both = [=](int n) { return b(a(n)); };
        EXPECT_EQ(both(1), 3);
    });
}

TEST(porting_core, cancellation) {
    miou::run({.domains = test::domains()}, [] {
        const auto prm = miou::async([] { test::forever(); });
        miou::cancel(prm);
        try {
            miou::await_exn(prm);
        } catch (const miou::cancelled&) {
            SUCCEED();
        }
        std::string order;
        miou::protect({.on_cancellation = [&] { order += "never"; },
                       .finally = [&](bool cancelled) { order += cancelled ? "no" : "yes"; }},
                      fn);
        EXPECT_EQ(order, "yes");
    });
}

TEST(porting_core, promises) {
    miou::run({.domains = test::domains()}, [] {
        const miou::promise<int> prm = miou::async(fn);
        const miou::promise_uid uid = prm.uid();
        std::ostringstream out;
        out << prm << uid;
        EXPECT_TRUE(prm.state() == miou::promise_state::running);
        miou::await_exn(prm);
        EXPECT_TRUE(prm.state() == miou::promise_state::finished);
        miou::cancel(prm);
        EXPECT_TRUE(prm.state() == miou::promise_state::exited);
    });
}

TEST(porting_core, domains) {
    miou::run({.domains = at_least(1)}, [] {
        const miou::domain_uid self = miou::domain::self();
        EXPECT_TRUE(self == miou::domain_uid::of_int(0));
        EXPECT_EQ(self.to_int(), 0);
        std::ostringstream out;
        out << self;
        EXPECT_EQ(out.str(), "0");
        EXPECT_GE(miou::domain::available(), 1u);
        EXPECT_EQ(miou::domain::all().size(), miou::domain::available());
    });
    EXPECT_THROW(miou::run({.domains = 0}, [] { return miou::await_exn(miou::call(fn)); }),
                 miou::no_domain_available);
}

TEST(porting_core, orphans) {
    miou::run({.domains = at_least(1)}, [] {
        miou::orphans<int> orphans;
        miou::async(orphans, fn);
        miou::call(orphans, fn);
        EXPECT_EQ(miou::length(orphans), 2u);
        EXPECT_EQ(miou::get(orphans)->value(), 42);
        if (const auto prm = miou::take(orphans)) {
            EXPECT_EQ(miou::await_exn(*prm), 42);
        }
        EXPECT_TRUE(miou::care(orphans) == std::nullopt);

        miou::async(orphans, fn);
        while (const auto found = miou::care(orphans)) {
            if (const auto prm = *found)
                miou::await_exn(*prm);
            else
                miou::yield();
        }
    });
}

TEST(porting_core, ownership) {
    miou::run({.domains = test::domains()}, [] {
        int finalised = 0;
        const auto finally = [&](int value) { finalised += value; };
        const miou::ownership r{1, finally};
        r.own();
        r.check();
        r.disown();
        r.own();
        miou::await_exn(miou::async({.give = {r}}, [&] { r.release(); }));
        const miou::ownership of_child{10, finally};
        miou::await_exn(miou::async([&] {
            of_child.own();
            of_child.transfer();
        }));
        of_child.release();
        EXPECT_EQ(finalised, 11);
    });
}

TEST(porting_core, rules) {
    EXPECT_THROW(miou::run([] { std::ignore = miou::async(fn); }), miou::still_has_children);
    EXPECT_THROW(miou::run([] {
                     const auto prm = miou::async(fn);
                     const auto thief = miou::async([&] { miou::await_exn(prm); });
                     miou::await_exn(prm);
                     miou::await_exn(thief);
                 }),
                 miou::not_a_child);
    EXPECT_THROW(miou::run([] {
                     const miou::ownership r{1, [](int) {}};
                     r.release();
                 }),
                 miou::not_owner);
    EXPECT_THROW(miou::run([] {
                     const miou::ownership r{1, [](int) {}};
                     r.own();
                 }),
                 miou::resource_leaked);
}

TEST(porting_core, hooks) {
    miou::run({.domains = test::domains()}, [] {
        int steps = 0;
        const miou::hook hook = miou::hook::add([&] { ++steps; });
        for (int i = 0; i < 3; ++i)
            miou::yield();
        hook.remove();
        EXPECT_GE(steps, 3);
    });
}

/// A system that resumes every suspension at once.
struct eager_system {
    std::vector<miou::syscall> suspended;
    std::vector<miou::signal> select(bool, std::span<const miou::syscall_uid>) {
        std::vector<miou::signal> due;
        for (const miou::syscall& each : suspended)
            due.push_back(miou::signal{each});
        suspended.clear();
        return due;
    }
};

TEST(porting_core, suspensions) {
    auto system = std::make_shared<eager_system>();
    const auto events = [=](miou::domain_uid) -> miou::events {
        return {.select =
                    [=](bool block, std::span<const miou::syscall_uid> cancelled) {
                        return system->select(block, cancelled);
                    },
                .interrupt = [] {},
                .finaliser = [] {}};
    };
    miou::run({.domains = 0, .events = events}, [&] {
        const miou::syscall syscall{"name"};
        EXPECT_EQ(syscall.uid(), syscall.uid());
        miou::suspend(syscall, [&] { system->suspended.push_back(syscall); });
        const miou::syscall again;
        system->suspended.push_back(again);
        miou::suspend(again);
    });
    EXPECT_THROW(miou::run([] { miou::suspend(miou::syscall{}); }), miou::no_select_provided);
}

TEST(porting_core, signals) {
    miou::run({.domains = test::domains()}, [] {
        miou::trigger arrived;
        const auto before =
            miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { arrived.signal(); }));
        ::raise(SIGUSR1);
        arrived.await();
        miou::sys_signal(SIGUSR1, miou::signal_ignore());
        miou::sys_signal(SIGUSR1, miou::signal_default());
        EXPECT_TRUE(before.is_default());
    });
}

TEST(porting_core, mutex_and_condition) {
    miou::run({.domains = test::domains()}, [] {
        miou::mutex mutex;
        miou::condition condition;
        bool ready = false;
        const auto waiter = test::anywhere([&] {
            mutex.lock();
            while (!ready)
                condition.wait(mutex);
            mutex.unlock();
        });
        mutex.protect([&] { ready = true; });
        condition.signal();
        condition.broadcast();
        miou::await_exn(waiter);
        EXPECT_TRUE(mutex.try_lock());
        mutex.unlock();
        { const std::scoped_lock lock{mutex}; }
        std::unique_lock lock{mutex};
        condition.wait(lock, [&] { return ready; });
    });
}

TEST(porting_core, lazy) {
    miou::run({.domains = test::domains()}, [] {
        auto lazy = miou::lazy<int>::from_fun(fn);
        EXPECT_EQ(lazy.force(), 42);
        EXPECT_EQ(miou::lazy<int>::from_val(42).force(), 42);
        miou::lazy<int>* self = nullptr;
        auto endless = miou::lazy<int>::from_fun([&] { return self->force(); });
        self = &endless;
        EXPECT_THROW(endless.force(), miou::undefined);
    });
}

TEST(porting_core, triggers) {
    miou::run({.domains = test::domains()}, [] {
        miou::trigger trigger;
        EXPECT_TRUE(trigger.is_initial());
        const auto signaler = test::anywhere([&] { trigger.signal(); });
        const std::exception_ptr cancellation = trigger.await();
        EXPECT_FALSE(cancellation);
        EXPECT_TRUE(trigger.is_signaled());
        miou::await_exn(signaler);
        miou::trigger noisy;
        bool called = false;
        EXPECT_TRUE(noisy.on_signal([&] { called = true; }));
        noisy.signal();
        EXPECT_TRUE(called);
    });
}

TEST(porting_core, computations) {
    miou::run({.domains = test::domains()}, [] {
        const miou::computation<int> computation;
        EXPECT_TRUE(computation.is_running());
        EXPECT_TRUE(computation.peek() == std::nullopt);
        miou::trigger trigger;
        EXPECT_TRUE(computation.try_attach(trigger));
        computation.detach(trigger);
        computation.clean();
        EXPECT_TRUE(computation.try_return(42));
        EXPECT_EQ(computation.await().value(), 42);
        EXPECT_EQ(computation.await_exn(), 42);

        const miou::computation<int> from;
        const miou::computation<int> into;
        const auto canceller = miou::canceller(from, into);
        from.try_attach(*canceller);
        from.try_cancel(std::make_exception_ptr(miou::cancelled{}));
        EXPECT_TRUE(is<miou::cancelled>(into.cancelled()));
        EXPECT_THROW(into.raise_if_errored(), miou::cancelled);

        const miou::computation<int> captured;
        EXPECT_TRUE(captured.try_capture(fn));
    });
}

TEST(porting_core, queues) {
    miou::queue<int> queue;
    EXPECT_THROW(queue.dequeue(), miou::empty);
    queue.enqueue(1);
    queue.enqueue(2);
    EXPECT_EQ(queue.peek(), 1);
    EXPECT_FALSE(queue.is_empty());
    EXPECT_EQ(queue.length(), 2u);
    EXPECT_EQ(queue.to_list(), (std::vector<int>{1, 2}));
    int sum = 0;
    queue.iter([&](int n) { sum += n; });
    EXPECT_EQ(queue.dequeue(), 1);
    auto moved = queue.transfer();
    moved.drop([&](int n) { sum += n; });
    EXPECT_EQ(sum, 5);
}

TEST(porting_core, sequences) {
    miou::sequence<int> sequence;
    EXPECT_THROW(sequence.take(miou::direction::left), miou::empty);
    const miou::sequence<int>::node node = sequence.add(miou::direction::right, 1);
    sequence.add(miou::direction::left, 0);
    EXPECT_EQ(node.data(), 1);
    EXPECT_EQ(sequence.peek_node(miou::direction::right), node);
    EXPECT_EQ(sequence.to_list(), (std::vector<int>{0, 1}));
    EXPECT_TRUE(sequence.exists([](int n) { return n == 1; }));
    int sum = 0;
    sequence.iter([&](int n) { sum += n; });
    sequence.iter_node([&](const auto& each) { sum += each.data(); });
    EXPECT_EQ(sum, 2);
    node.remove();
    EXPECT_EQ(sequence.length(), 1u);
    EXPECT_EQ(sequence.take(miou::direction::left), 0);
    sequence.drop();
    EXPECT_TRUE(sequence.is_empty());
}

TEST(porting_core, priority_queues) {
    miou::pqueue<int> pqueue;
    EXPECT_TRUE(pqueue.is_empty());
    EXPECT_THROW(pqueue.find_min_exn(), miou::empty);
    for (const int n : {3, 1, 2})
        pqueue.insert(n);
    EXPECT_EQ(pqueue.find_min(), 1);
    EXPECT_EQ(pqueue.find_min_exn(), 1);
    pqueue.delete_min_exn();
    EXPECT_EQ(pqueue.extract_min_exn(), 2);
    EXPECT_EQ(pqueue.size(), 1u);
    int sum = 0;
    pqueue.iter([&](int n) { sum += n; });
    EXPECT_EQ(sum, 3);
}

TEST(porting_core, backoffs) {
    EXPECT_EQ(miou::backoff{}.get_wait_log(), 4);
    miou::backoff backoff{{.lower_wait_log = 1, .upper_wait_log = 2}};
    backoff = backoff.once();
    EXPECT_EQ(backoff.get_wait_log(), 2);
    EXPECT_EQ(backoff.reset().get_wait_log(), 1);
    EXPECT_LE(backoff.get_wait_log(), miou::backoff::max_wait_log);
}

TEST(porting_core, traces_and_logs) {
    int events = 0;
    miou::trace::set_reporter([&](const miou::trace::event&) { ++events; });
    miou::trace::trace(miou::trace::user{"hello"});
    miou::trace::set_reporter({});
    EXPECT_EQ(events, 1);
    std::string line;
    miou::logs::set_sink([&](miou::logs::level, std::string_view text) { line = text; });
    miou::logs::write(miou::logs::level::warning, "careful");
    miou::logs::set_sink({});
    EXPECT_EQ(line, "careful");
}

/// OCaml: `exception Refused of int`.
struct refused : std::exception {
    int why = 0;
};

int find(const std::unordered_map<std::string, int>& table, const std::string& key) {
    return table.at(key);
}

void leave_early(int n) {
    assert(n > 0);
    for (;;) {
        if (n-- == 0)
            return;
        if (n == 7)
            break;
    }
    throw std::runtime_error{"no luck"};
}

template <class F>
std::string caught(F&& fn) {
    try {
        fn();
    } catch (const miou::finally_raised& error) {
        return is<refused>(error.nested()) ? "finally" : "";
    } catch (const miou::on_cancellation_raised&) {
        return "on_cancellation";
    } catch (const std::invalid_argument&) {
        return "invalid_argument";
    } catch (const std::out_of_range&) {
        return "out_of_range";
    } catch (const std::bad_alloc&) {
        return "bad_alloc";
    } catch (const std::system_error& error) {
        return error.code() == std::errc::operation_not_permitted ? "not permitted" : "";
    } catch (const std::exception& error) {
        return error.what();
    }
    return "nothing";
}

TEST(porting_core, what_is_caught) {
    EXPECT_EQ(caught([] { find({}, "key"); }), "out_of_range");
    EXPECT_EQ(caught([] { leave_early(3); }), "nothing");
    EXPECT_EQ(caught([] { leave_early(9); }), "no luck");
    EXPECT_EQ(caught([] { throw miou::no_stack{ENOMEM}; }), "bad_alloc");
    EXPECT_THROW(miou::yield(), miou::outside_of_task);
    miou::run({.domains = test::domains()}, [] {
        EXPECT_EQ(caught([] { miou::mutex{}.unlock(); }), "not permitted");
        EXPECT_EQ(caught([] { miou::await_one(std::vector<miou::promise<int>>{}); }),
                  "invalid_argument");
        EXPECT_EQ(caught([] { miou::protect({.finally = [](bool) { throw refused{}; }}, fn); }),
                  "finally");
        EXPECT_EQ(caught([] {
                      miou::protect({.on_cancellation = [] { throw refused{}; }},
                                    [] { throw miou::cancelled{}; });
                  }),
                  "on_cancellation");
    });
}

enum class colour { red, green };
struct circle {
    double radius;
};
struct square {
    double side;
};
using shape = std::variant<circle, square>;

double width(const shape& shape) {
    if (const auto* const found = std::get_if<circle>(&shape))
        return 2 * found->radius;
    return std::get<square>(shape).side;
}

struct msg {
    std::string text;
};

boost::system::result<int, msg> number(const std::string& text) {
    if (text.empty() || text.find_first_not_of("0123456789") != text.npos)
        return msg{"not a number"};
    return std::stoi(text);
}

std::optional<int> look_up(const std::unordered_map<std::string, int>& of, const std::string& key) {
    const auto& table = of;
    if (const auto found = table.find(key); found != table.end())
        return found->second;
    return std::nullopt;
}

thread_local int of_domain = 0;

TEST(porting_core, neighbours) {
    EXPECT_EQ(width(square{2}) + width(circle{3}), 8);
    EXPECT_NE(colour::red, colour::green);
    EXPECT_EQ(*number("42"), 42);
    EXPECT_EQ(number("many").error().text, "not a number");

    std::unordered_map<std::string, int> table;
    table["key"] = 1;
    EXPECT_FALSE(look_up(table, "missing"));
    const auto option = look_up(table, "key");
    if (option) {
        EXPECT_EQ(*option, 1);
    }

    std::atomic<int> counter{0};
    counter.fetch_add(1);
    int expected = 1;
    EXPECT_TRUE(counter.compare_exchange_strong(expected, 2));
    std::mt19937_64 random{7};
    EXPECT_NE(random(), random());
    EXPECT_LE(std::thread::hardware_concurrency(), 1u << 20);
    EXPECT_GT(std::chrono::system_clock::now().time_since_epoch().count(), 0);

    std::string bytes(16, '\0');
    const std::size_t length = 3;
    EXPECT_EQ(bytes.substr(0, length).size(), length);
    int n = 0;
    ++n;
    EXPECT_EQ(std::atexit([] {}), n - 1);

    miou::run({.domains = test::domains()}, [] {
        ++of_domain;
        const miou::result<int> outcome = miou::await(miou::async([] { return of_domain; }));
        if (outcome.has_value()) {
            EXPECT_EQ(*outcome, of_domain);
        }
        int closed = 0;
        miou::protect({.finally = [&](bool) { ++closed; }}, fn);
        EXPECT_EQ(closed, 1);
    });
}

TEST(porting_core, exceptions) {
    EXPECT_THROW(miou::run([] {
                     try {
                         throw std::runtime_error{"once"};
                     } catch (...) {
                         miou::yield();
                         throw;
                     }
                 }),
                 std::runtime_error);
}

} // namespace
