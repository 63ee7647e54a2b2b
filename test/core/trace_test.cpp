// The events of tasks.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using test::contains;
using test::domains;
namespace trace = miou::trace;

/// Collects what is reported while it exists.
class recorder {
public:
    recorder() {
        trace::set_reporter([this](const trace::event& e) {
            const std::scoped_lock lock{guard_};
            events_.push_back(e);
        });
    }
    ~recorder() { trace::set_reporter({}); }
    recorder(const recorder&) = delete;
    recorder& operator=(const recorder&) = delete;

    std::vector<trace::event> events() const {
        const std::scoped_lock lock{guard_};
        return events_;
    }
    std::string text() const {
        std::ostringstream out;
        for (const trace::event& each : events())
            out << each << '\n';
        return out.str();
    }
    template <class Event>
    std::vector<Event> all() const {
        std::vector<Event> found;
        for (const trace::event& each : events())
            if (const auto* e = std::get_if<Event>(&each))
                found.push_back(*e);
        return found;
    }

private:
    mutable std::mutex guard_;
    std::vector<trace::event> events_;
};

TEST(trace, the_life_of_a_task_is_reported_in_order) {
    const recorder told;
    miou::run({.domains = 0}, [] { miou::await_exn(miou::async([] { miou::yield(); })); });
    EXPECT_TRUE(contains(told.text(), "Spawn uid=0 runner=0 Async\n"
                                      "Run_begin 0\n"
                                      "Spawn uid=1 parent=0 runner=0 Async\n"))
        << told.text();
    EXPECT_TRUE(contains(told.text(), "Await 0\n"
                                      "Run_end 0\n"
                                      "Run_begin 1\n"
                                      "Yield 1\n"))
        << told.text();
    EXPECT_TRUE(contains(told.text(), "Run_end 1\n"
                                      "Run_done 1\n"
                                      "Resume 0\n"
                                      "Run_begin 0\n"
                                      "Clean 1\n"
                                      "Run_end 0\n"
                                      "Run_done 0\n"))
        << told.text();
}

TEST(trace, a_spawn_reports_its_place) {
    const recorder told;
    unsigned line = 0;
    miou::run({.domains = domains()}, [&] {
        line = std::source_location::current().line() + 1;
        miou::await_exn(test::anywhere([] {}));
        miou::await_exn(miou::async([] {}));
    });
    const auto places = told.all<trace::spawn_location>();
    ASSERT_EQ(places.size(), 2u);
    EXPECT_EQ(places[1].line, line + 1);
    EXPECT_TRUE(contains(places[1].file, "trace_test.cpp"));
}

TEST(trace, every_task_that_begins_ends_and_is_done_and_cleaned_once) {
    const recorder told;
    miou::run({.domains = domains()}, [] {
        std::vector<miou::promise<void>> children;
        for (int i = 0; i < 50; ++i)
            children.push_back(test::anywhere([] {
                miou::yield();
                const auto child = miou::async([] { test::forever(); });
                miou::yield();
                miou::cancel(child);
            }));
        miou::await_all(children);
    });
    std::map<miou::promise_uid, int> running;
    std::set<miou::promise_uid> done;
    std::set<miou::promise_uid> cleaned;
    for (const trace::event& each : told.events()) {
        if (const auto* begin = std::get_if<trace::run_begin>(&each)) {
            EXPECT_EQ(++running[begin->uid], 1) << begin->uid;
        } else if (const auto* end = std::get_if<trace::run_end>(&each)) {
            EXPECT_EQ(--running[end->uid], 0) << end->uid;
        } else if (const auto* last = std::get_if<trace::run_done>(&each)) {
            EXPECT_TRUE(done.insert(last->uid).second) << last->uid;
        } else if (const auto* clean = std::get_if<trace::clean>(&each)) {
            EXPECT_TRUE(cleaned.insert(clean->uid).second) << clean->uid;
        }
    }
    EXPECT_EQ(done.size(), 101u);
    EXPECT_EQ(cleaned.size(), 100u); // all but the root, which nobody awaits
    EXPECT_EQ(told.all<trace::cancel>().size(), 50u);
    EXPECT_EQ(told.all<trace::cancelled>().size(), 50u);
}

TEST(trace, broken_rules_are_reported) {
    const recorder told;
    EXPECT_THROW(miou::run({.domains = domains()},
                           [] {
                               const auto child = miou::async([] {});
                               EXPECT_THROW(
                                   miou::await_exn(miou::async([&] { miou::await_exn(child); })),
                                   miou::not_a_child);
                               miou::yield();
                           }),
                 miou::still_has_children);
    ASSERT_EQ(told.all<trace::not_a_child>().size(), 1u);
    const auto named = told.all<trace::not_a_child>()[0];
    EXPECT_NE(named.self, named.prm);
    EXPECT_EQ(told.all<trace::still_has_children>().size(), 1u);
}

TEST(trace, resources_are_reported) {
    const recorder told;
    EXPECT_THROW(miou::run({.domains = domains()},
                           [] {
                               miou::ownership given{1, [](int) {}};
                               given.own();
                               EXPECT_THROW(miou::await_exn(miou::async([&] { given.check(); })),
                                            miou::not_owner);
                               given.release();
                               miou::ownership leaked{2, [](int) {}};
                               leaked.own();
                           }),
                 miou::resource_leaked);
    const auto attached = told.all<trace::attach>();
    const auto detached = told.all<trace::detach>();
    ASSERT_EQ(attached.size(), 2u);
    ASSERT_EQ(detached.size(), 2u);
    EXPECT_EQ(attached[0].ruid, detached[0].ruid);
    EXPECT_NE(attached[0].ruid, attached[1].ruid);
    ASSERT_EQ(told.all<trace::not_owner>().size(), 1u);
    EXPECT_EQ(told.all<trace::not_owner>()[0].ruid, attached[0].ruid);
    EXPECT_EQ(told.all<trace::resource_leaked>().size(), 1u);
}

TEST(trace, a_program_may_report_its_own_events) {
    const recorder told;
    miou::run({.domains = domains()},
              [] { miou::await_exn(miou::async([] { trace::trace(trace::user{"half-way"}); })); });
    EXPECT_TRUE(contains(told.text(), "Run_begin 1\nhalf-way\n") || domains() > 0) << told.text();
    EXPECT_TRUE(contains(told.text(), "\nhalf-way\n"));
}

TEST(trace, a_reporter_that_throws_is_removed_and_logged) {
    std::string logged;
    miou::logs::set_sink(
        [&](miou::logs::level, std::string_view line) { logged += std::string{line} + "\n"; });
    int told = 0;
    trace::set_reporter([&](const trace::event&) {
        ++told;
        throw std::runtime_error{"full"};
    });
    EXPECT_EQ(
        miou::run({.domains = 0}, [] { return miou::await_exn(miou::async([] { return 1; })); }),
        1);
    miou::logs::set_sink({});
    EXPECT_EQ(told, 1);
    EXPECT_TRUE(contains(logged, "full")) << logged;
}

TEST(trace, a_reporter_runs_outside_of_any_task) {
    int refused = 0;
    trace::set_reporter([&](const trace::event&) {
        try {
            miou::yield();
        } catch (const miou::outside_of_task&) {
            ++refused;
        }
    });
    miou::run({.domains = 0}, [] { miou::await_exn(miou::async([] { miou::yield(); })); });
    trace::set_reporter({});
    EXPECT_GT(refused, 5);
}

/// The trace of a program that makes many random choices.
std::string trace_of_a_program(std::uint64_t seed) {
    const recorder told;
    miou::run({.g = seed, .domains = 0}, [] {
        for (int round = 0; round < 5; ++round) {
            std::vector<miou::promise<int>> racers;
            for (int i = 0; i < 10; ++i)
                racers.push_back(miou::async([i] {
                    miou::yield();
                    return i;
                }));
            for (int i = 0; i < 3; ++i)
                miou::yield();
            // All of them have finished, so the choice is random.
            trace::trace(trace::user{std::to_string(miou::await_one(racers).value())});
            miou::await_first(racers);
        }
    });
    return told.text();
}

TEST(trace, the_same_seed_gives_the_same_trace_byte_for_byte) {
    const std::string once = trace_of_a_program(42);
    EXPECT_EQ(trace_of_a_program(42), once);
    EXPECT_NE(trace_of_a_program(43), once);
}

} // namespace
