// Spinning for a short while, longer each time.

#include "miou/backoff.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

namespace {

TEST(backoff, by_default_it_goes_from_4_to_17_as_in_miou) {
    miou::backoff b;
    EXPECT_EQ(b.get_wait_log(), 4);
    EXPECT_EQ(miou::backoff{}.get_wait_log(), 4);
    for (int expected = 5; expected <= 17; ++expected) {
        b = b.once();
        EXPECT_EQ(b.get_wait_log(), expected);
    }
    EXPECT_EQ(b.once().get_wait_log(), 17);
}

TEST(backoff, it_goes_up_to_its_own_bound_and_back_to_the_lower_one) {
    const miou::backoff first{{.lower_wait_log = 2, .upper_wait_log = 3}};
    const miou::backoff second = first.once();
    EXPECT_EQ(first.get_wait_log(), 2);
    EXPECT_EQ(second.get_wait_log(), 3);
    EXPECT_EQ(second.once().get_wait_log(), 3);
    EXPECT_EQ(second.reset().get_wait_log(), 2);
    EXPECT_EQ(second.get_wait_log(), 3);
    EXPECT_EQ(second.reset().once().once().get_wait_log(), 3);
}

TEST(backoff, one_bound_leaves_the_other_at_its_default) {
    EXPECT_EQ(miou::backoff({.lower_wait_log = 17}).once().get_wait_log(), 17);
    EXPECT_EQ(miou::backoff({.upper_wait_log = 4}).once().get_wait_log(), 4);
}

TEST(backoff, bounds_out_of_range_are_refused) {
    const auto refuses = [](miou::backoff_options bounds) {
        EXPECT_THROW(miou::backoff{bounds}, std::invalid_argument)
            << bounds.lower_wait_log << " " << bounds.upper_wait_log;
    };
    refuses({.lower_wait_log = -1});
    refuses({.lower_wait_log = 5, .upper_wait_log = 4});
    refuses({.lower_wait_log = 18});
    refuses({.upper_wait_log = 3});
    refuses({.upper_wait_log = miou::backoff::max_wait_log + 1});
    EXPECT_NO_THROW(miou::backoff({.lower_wait_log = 0, .upper_wait_log = 0}));
    EXPECT_NO_THROW(miou::backoff({.lower_wait_log = 30, .upper_wait_log = 30}));
    EXPECT_EQ(miou::backoff::max_wait_log, 30);
}

TEST(backoff, threads_that_back_off_all_get_their_turn) {
    constexpr int turns = 1000;
    std::atomic<int> counter = 0;
    const auto count = [&] {
        for (int i = 0; i < turns; ++i) {
            miou::backoff b{{.upper_wait_log = 8}};
            int seen = counter;
            while (!counter.compare_exchange_weak(seen, seen + 1))
                b = b.once();
        }
    };
    {
        const std::jthread one{count};
        const std::jthread two{count};
    }
    EXPECT_EQ(counter, 2 * turns);
}

} // namespace
