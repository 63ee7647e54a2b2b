// Priority queues.

#include "miou/errors.hpp"
#include "miou/pqueue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using numbers = std::vector<int>;

/// Takes out all elements.
template <class Queue>
numbers drain(Queue& q) {
    numbers all;
    while (!q.is_empty())
        all.push_back(q.extract_min_exn());
    return all;
}

TEST(pqueue, the_smallest_element_comes_first) {
    miou::pqueue<int> q;
    for (const int i : {3, 1, 4, 1, 5})
        q.insert(i);
    EXPECT_EQ(q.size(), 5u);
    EXPECT_EQ(q.find_min(), 1);
    EXPECT_EQ(q.find_min_exn(), 1);
    q.delete_min_exn();
    EXPECT_EQ(q.size(), 4u);
    EXPECT_EQ(drain(q), (numbers{1, 3, 4, 5}));
    EXPECT_TRUE(q.is_empty());
}

TEST(pqueue, there_is_nothing_to_take_from_an_empty_one) {
    miou::pqueue<int> q;
    EXPECT_EQ(q.find_min(), std::nullopt);
    EXPECT_THROW(q.find_min_exn(), miou::empty);
    EXPECT_THROW(q.delete_min_exn(), miou::empty);
    EXPECT_THROW(q.extract_min_exn(), miou::empty);
    EXPECT_EQ(q.size(), 0u);
}

TEST(pqueue, after_any_insertions_and_removals_the_order_is_that_of_a_sort) {
    std::minstd_rand random{1};
    for (int round = 0; round < 100; ++round) {
        miou::pqueue<int> q;
        numbers model; // sorted
        for (int step = 0; step < 200; ++step) {
            if (random() % 3 != 0) {
                const int value = static_cast<int>(random() % 50);
                q.insert(value);
                model.insert(std::ranges::upper_bound(model, value), value);
            } else if (!model.empty()) {
                ASSERT_EQ(q.extract_min_exn(), model.front());
                model.erase(model.begin());
            }
            ASSERT_EQ(q.size(), model.size());
        }
        ASSERT_EQ(drain(q), model);
    }
}

TEST(pqueue, the_caller_chooses_the_order) {
    miou::pqueue<int, std::greater<>> largest;
    numbers rank{2, 0, 1};
    const auto by_rank = [&](int a, int b) { return rank[std::size_t(a)] < rank[std::size_t(b)]; };
    miou::pqueue<int, std::function<bool(int, int)>> ranked{by_rank};
    for (const int i : {0, 1, 2}) {
        largest.insert(i);
        ranked.insert(i);
    }
    EXPECT_EQ(drain(largest), (numbers{2, 1, 0}));
    EXPECT_EQ(drain(ranked), (numbers{1, 2, 0}));
}

TEST(pqueue, a_walk_sees_every_element_once) {
    miou::pqueue<int> q;
    numbers expected(20);
    std::iota(expected.begin(), expected.end(), 0);
    for (const int i : expected)
        q.insert(19 - i);
    numbers seen;
    q.iter([&](int i) { seen.push_back(i); });
    std::ranges::sort(seen);
    EXPECT_EQ(seen, expected);
}

TEST(pqueue, move_only_elements_are_moved) {
    const auto less = [](const auto& a, const auto& b) { return *a < *b; };
    miou::pqueue<std::unique_ptr<int>, decltype(less)> q;
    for (const int i : {2, 0, 1})
        q.insert(std::make_unique<int>(i));
    EXPECT_EQ(*q.find_min_exn(), 0);
    EXPECT_EQ(*q.extract_min_exn(), 0);
    EXPECT_EQ(*q.extract_min_exn(), 1);
    q.delete_min_exn();
    EXPECT_TRUE(q.is_empty());
}

TEST(pqueue, removed_elements_are_destroyed) {
    const auto watched = std::make_shared<int>(0);
    miou::pqueue<std::shared_ptr<int>> q;
    q.insert(watched);
    q.insert(watched);
    q.delete_min_exn();
    EXPECT_EQ(watched.use_count(), 2);
    q.extract_min_exn();
    EXPECT_EQ(watched.use_count(), 1);
}

} // namespace
