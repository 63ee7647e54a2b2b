// Calls with a time limit.

#include "support/counted.hpp"
#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/reactor.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/error.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using miou_unix::with_timeout;
using test::domains;
using test::failed_with;
using test::on_reactor;

using test::infinity;
using seconds = std::chrono::duration<double>;

TEST(timeout, a_call_that_ends_in_time_returns_its_value) {
    on_reactor([] {
        EXPECT_EQ(with_timeout(1h, [] { return 1; }), 1);
        EXPECT_EQ(*with_timeout(1h, [] { return std::make_unique<int>(2); }), 2);
        bool ran = false;
        with_timeout(1h, [&] {
            miou::yield();
            ran = true;
        });
        EXPECT_TRUE(ran);
    });
}

TEST(timeout, what_the_call_throws_is_thrown) {
    on_reactor([] {
        EXPECT_THROW(with_timeout(1h, [] { throw std::out_of_range{"far"}; }), std::out_of_range);
    });
}

TEST(timeout, a_call_that_takes_too_long_is_cancelled_and_timed_out_is_thrown) {
    on_reactor([] {
        bool unwound = false;
        const auto text = test::message_of<miou_unix::timed_out>([&] {
            with_timeout(1ms, [&] {
                const miou::at_end clean_up{[&] {
                    miou::uncancellable([] { miou::yield(); });
                    unwound = true;
                }};
                miou_unix::sleep(1h);
            });
        });
        EXPECT_TRUE(unwound);
        EXPECT_TRUE(test::contains(text, "miou_unix::with_timeout of 0.001 s at ")) << text;
        EXPECT_EQ(test::error_of([] { with_timeout(1ms, [] { miou_unix::sleep(1h); }); }),
                  boost::asio::error::timed_out);
    });
}

TEST(timeout, it_cancels_the_whole_subtree_on_all_domains) {
    on_reactor([] {
        std::atomic<int> alive = 0;
        EXPECT_THROW(with_timeout(2ms,
                                  [&] {
                                      const auto child = test::anywhere([&] {
                                          const test::counted mine{alive};
                                          miou_unix::sleep(1h);
                                      });
                                      miou::await_exn(child);
                                  }),
                     miou_unix::timed_out);
        EXPECT_EQ(alive, 0);
    });
}

TEST(timeout, a_late_return_value_is_not_lost) {
    on_reactor([] {
        const int returned = with_timeout(1ms, [] {
            try {
                miou_unix::sleep(1h);
            } catch (const miou::cancelled&) {
            }
            return 1;
        });
        EXPECT_EQ(returned, 1);
    });
}

TEST(timeout, its_error_says_which_limit_it_was) {
    on_reactor([] {
        const auto of_timeout = test::message_of<miou_unix::timed_out>(
            [] { with_timeout(2ms, [] { miou_unix::sleep(1h); }); });
        EXPECT_TRUE(test::contains(of_timeout, "miou_unix::with_timeout of 0.002 s at "))
            << of_timeout;
        EXPECT_TRUE(test::contains(of_timeout, "timeout_test.cpp:")) << of_timeout;
        const auto of_deadline = test::message_of<miou_unix::timed_out>([] {
            miou_unix::with_deadline(miou_unix::clock::now(), [] { miou_unix::sleep(1h); });
        });
        EXPECT_TRUE(test::contains(of_deadline, "miou_unix::with_deadline at ")) << of_deadline;
    });
}

TEST(timeout, it_limits_a_wait_for_a_condition_whose_mutex_is_held_after_it) {
    on_reactor([] {
        miou::mutex guard;
        miou::condition changed;
        std::unique_lock held{guard};
        EXPECT_THROW(with_timeout(1ms, [&] { changed.wait(held); }), miou_unix::timed_out);
        EXPECT_TRUE(held.owns_lock());
        held.unlock();
        EXPECT_TRUE(guard.try_lock());
        guard.unlock();
    });
}

TEST(timeout, it_limits_a_wait_for_the_callers_own_child_which_goes_on) {
    on_reactor([] {
        std::atomic<bool> over = false;
        const auto child = test::anywhere([&] {
            test::yield_until([&] { return over.load(); });
            return 1;
        });
        EXPECT_THROW(with_timeout(1ms, [&] { return miou::await_exn(child); }),
                     miou_unix::timed_out);
        over = true;
        EXPECT_EQ(miou::await_exn(child), 1);
    });
}

TEST(timeout, it_limits_a_clean_up_in_a_cancelled_task) {
    on_reactor([] {
        bool limited = false;
        const auto victim = miou::async([&] {
            const miou::at_end clean_up{[&] {
                try {
                    with_timeout(1ms, [] { miou_unix::sleep(1h); });
                } catch (const miou_unix::timed_out&) {
                    limited = true;
                }
            }};
            test::forever();
        });
        miou::yield();
        miou::cancel(victim);
        EXPECT_TRUE(limited);
    });
}

TEST(timeout, a_storm_of_limits_around_reads_loses_no_byte) {
    on_reactor([] {
        const int sent = test::scaled(100'000, 5'000);
        const auto [from, to] = test::socket_pair();
        const auto writer = test::anywhere([&, out = to] {
            for (int i = 0; i < sent; ++i) {
                if (i % 16 == 0)
                    miou_unix::sleep(20us);
                miou_unix::write(out, "x");
            }
            miou_unix::close(out);
        });
        int received = 0;
        for (bool open = true; open;)
            try {
                char byte;
                open = with_timeout(20us, [&, f = from] {
                           return miou_unix::read(f, {&byte, 1});
                       }) != 0;
                received += open;
            } catch (const miou_unix::timed_out&) {
            }
        miou::await_exn(writer);
        EXPECT_EQ(received, sent);
    });
}

TEST(timeout, a_hundred_thousand_nested_limits_end_with_the_earliest) {
    on_reactor([] {
        // The depth is limited by the stack.
        const auto nest = [](auto&& self, int depth) -> int {
            if (depth == 0) {
                miou_unix::sleep(1h);
                return 0;
            }
            return with_timeout(1h, [&] { return self(self, depth - 1); });
        };
        const int depth = test::scaled(100, 20);
        for (int round = 0; round < test::scaled(1'000, 50); ++round)
            EXPECT_THROW(with_timeout(0s, [&] { return nest(nest, depth); }), miou_unix::timed_out);
    });
}

TEST(timeout, of_nested_limits_the_earliest_counts) {
    on_reactor([] {
        bool inner_timed_out = false;
        EXPECT_THROW(with_timeout(1ms,
                                  [&] {
                                      try {
                                          with_timeout(1h, [] { miou_unix::sleep(2h); });
                                      } catch (const miou_unix::timed_out&) {
                                          inner_timed_out = true;
                                      }
                                  }),
                     miou_unix::timed_out);
        EXPECT_FALSE(inner_timed_out);
        EXPECT_EQ(with_timeout(1h,
                               [] {
                                   try {
                                       with_timeout(1ms, [] { miou_unix::sleep(2h); });
                                   } catch (const miou_unix::timed_out&) {
                                       return 1;
                                   }
                                   return 0;
                               }),
                  1);
    });
}

TEST(timeout, an_infinite_limit_is_no_limit) {
    on_reactor([] {
        EXPECT_EQ(with_timeout(seconds{infinity}, [] { return 1; }), 1);
        EXPECT_EQ(with_timeout(seconds{1e10}, [] { return 2; }), 2);
        EXPECT_EQ(with_timeout(std::chrono::hours::max(), [] { return 3; }), 3);
    });
}

TEST(timeout, a_limit_of_zero_ends_the_call_at_its_first_suspension) {
    on_reactor([] {
        EXPECT_THROW(with_timeout(0s, [] { miou_unix::sleep(1h); }), miou_unix::timed_out);
        EXPECT_EQ(with_timeout(0s, [] { return 1; }), 1);
    });
}

TEST(timeout, a_negative_limit_and_nan_are_refused_before_anything_runs) {
    on_reactor([] {
        for (const seconds bad : {seconds{-1}, seconds{-infinity}, seconds{std::nan("")}})
            EXPECT_THROW(with_timeout(bad, [] { ADD_FAILURE() << "the call ran"; }),
                         std::invalid_argument);
    });
}

TEST(timeout, a_deadline_that_has_passed_lets_the_call_run_until_it_suspends) {
    on_reactor([] {
        const auto past = miou_unix::clock::now() - 1h;
        EXPECT_EQ(miou_unix::with_deadline(past, [] { return 1; }), 1);
        EXPECT_THROW(miou_unix::with_deadline(past, [] { miou_unix::sleep(1h); }),
                     miou_unix::timed_out);
    });
}

TEST(timeout, needs_a_task_and_a_reactor) {
    EXPECT_THROW(with_timeout(1s, [] {}), miou::outside_of_task);
    miou::run({.domains = domains()},
              [] { EXPECT_THROW(with_timeout(1s, [] {}), miou::no_select_provided); });
}

TEST(timeout, cancelling_the_caller_cancels_the_call) {
    on_reactor([] {
        std::atomic<bool> begun = false;
        std::atomic<bool> unwound = false;
        const auto caller = test::anywhere([&] {
            with_timeout(1h, [&] {
                const miou::at_end leaving{[&] { unwound = true; }};
                begun = true;
                miou_unix::sleep(2h);
            });
        });
        test::yield_until([&] { return begun.load(); });
        miou::cancel(caller);
        EXPECT_TRUE(unwound);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(caller)));
    });
}

TEST(timeout, a_read_that_timed_out_has_read_nothing) {
    on_reactor([] {
        const auto [from, to] = test::socket_pair();
        char byte = 0;
        EXPECT_THROW(with_timeout(1ms,
                                  [&, f = from] {
                                      static_cast<void>(miou_unix::read(f, {&byte, 1}));
                                  }),
                     miou_unix::timed_out);
        miou_unix::write(to, "x");
        EXPECT_EQ(miou_unix::read(from, {&byte, 1}), 1u);
        EXPECT_EQ(byte, 'x');
    });
}

TEST(timeout, a_hundred_thousand_may_run_at_once) {
    miou_unix::run({.domains = test::domains(), .unguarded = true}, [] {
        constexpr int tasks = test::most_tasks;
        std::vector<miou::promise<void>> all;
        for (int i = 0; i < tasks; ++i)
            all.push_back(miou::async([] { with_timeout(1h, [] { miou_unix::sleep(5ms); }); }));
        for (const auto& outcome : miou::await_all(std::move(all)))
            EXPECT_TRUE(outcome.has_value());
        std::vector<miou::promise<bool>> late;
        for (int i = 0; i < tasks; ++i)
            late.push_back(miou::async([] {
                try {
                    with_timeout(5ms, [] { miou_unix::sleep(1h); });
                } catch (const miou_unix::timed_out&) {
                    return true;
                }
                return false;
            }));
        for (const auto& outcome : miou::await_all(std::move(late)))
            EXPECT_TRUE(outcome.has_value() && outcome.value());
    });
}

} // namespace
