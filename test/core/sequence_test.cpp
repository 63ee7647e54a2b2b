// Lists from which elements can be removed by their nodes.

#include "miou/sequence.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using enum miou::direction;
using numbers = std::vector<int>;
using node = miou::sequence<int>::node;

/// Adds the numbers from 0 to n-1 and returns their nodes.
std::vector<node> fill(miou::sequence<int>& s, int n) {
    std::vector<node> nodes;
    for (int i = 0; i < n; ++i)
        nodes.push_back(s.add(right, i));
    return nodes;
}

TEST(sequence, elements_are_added_and_taken_at_both_ends) {
    miou::sequence<int> s;
    EXPECT_TRUE(s.is_empty());
    s.add(right, 1);
    s.add(left, 0);
    s.add(right, 2);
    s.add(left, -1);
    EXPECT_EQ(s.to_list(), (numbers{-1, 0, 1, 2}));
    EXPECT_EQ(s.length(), 4u);
    EXPECT_EQ(s.peek_node(left).data(), -1);
    EXPECT_EQ(s.peek_node(right).data(), 2);
    EXPECT_EQ(s.take(right), 2);
    EXPECT_EQ(s.take(left), -1);
    EXPECT_EQ(s.take(right), 1);
    EXPECT_EQ(s.take(right), 0);
    EXPECT_TRUE(s.is_empty());
}

TEST(sequence, there_is_nothing_to_take_from_an_empty_one) {
    miou::sequence<int> s;
    for (const auto end : {left, right}) {
        EXPECT_THROW(s.take(end), miou::empty);
        EXPECT_THROW(s.peek_node(end), miou::empty);
    }
    EXPECT_EQ(s.length(), 0u);
}

TEST(sequence, a_node_is_removed_wherever_it_is) {
    miou::sequence<int> s;
    const auto nodes = fill(s, 5);
    nodes[2].remove();
    EXPECT_EQ(s.to_list(), (numbers{0, 1, 3, 4}));
    nodes[0].remove();
    nodes[4].remove();
    EXPECT_EQ(s.to_list(), (numbers{1, 3}));
    EXPECT_EQ(s.length(), 2u);
}

TEST(sequence, removing_a_node_again_does_nothing) {
    miou::sequence<int> s;
    const auto nodes = fill(s, 3);
    const node copy = nodes[1];
    EXPECT_EQ(copy, nodes[1]);
    nodes[1].remove();
    copy.remove();
    nodes[1].remove();
    EXPECT_EQ(s.to_list(), (numbers{0, 2}));
    EXPECT_EQ(s.take(left), 0);
    nodes[0].remove(); // it has been taken
    EXPECT_EQ(s.to_list(), (numbers{2}));
}

TEST(sequence, a_removed_node_keeps_its_value) {
    miou::sequence<std::string> s;
    const auto n = s.add(right, "value");
    n.data() += "!";
    EXPECT_EQ(s.to_list(), (std::vector<std::string>{"value!"}));
    n.remove();
    EXPECT_EQ(n.data(), "value!");
}

TEST(sequence, a_node_may_outlive_the_sequence) {
    std::optional<miou::sequence<std::string>> s{std::in_place};
    const auto kept = s->add(right, "kept");
    const auto removed = s->add(right, "removed");
    removed.remove();
    s.reset();
    kept.remove();
    removed.remove();
    EXPECT_EQ(kept.data(), "kept");
    EXPECT_EQ(removed.data(), "removed");
}

TEST(sequence, dropping_removes_every_node) {
    miou::sequence<int> s;
    const auto nodes = fill(s, 3);
    s.drop();
    EXPECT_TRUE(s.is_empty());
    s.add(right, 7);
    for (const auto& each : nodes)
        each.remove();
    EXPECT_EQ(s.to_list(), (numbers{7}));
}

TEST(sequence, a_value_is_destroyed_with_its_last_owner) {
    const auto watched = std::make_shared<int>(0);
    {
        miou::sequence<std::shared_ptr<int>> s;
        s.add(right, watched);
        s.add(right, watched).remove();
        EXPECT_EQ(watched.use_count(), 2);
        {
            const auto n = s.peek_node(left);
            s.drop();
            EXPECT_EQ(watched.use_count(), 2);
        }
        EXPECT_EQ(watched.use_count(), 1);
        s.add(right, watched);
    }
    EXPECT_EQ(watched.use_count(), 1);
}

TEST(sequence, exists_tests_from_the_left_until_one_matches) {
    miou::sequence<int> s;
    fill(s, 5);
    numbers asked;
    EXPECT_TRUE(s.exists([&](int i) {
        asked.push_back(i);
        return i == 2;
    }));
    EXPECT_EQ(asked, (numbers{0, 1, 2}));
    EXPECT_FALSE(s.exists([](int i) { return i == 5; }));
}

TEST(sequence, walks_go_from_the_left) {
    miou::sequence<int> s;
    fill(s, 3);
    s.iter([](int& i) { i *= 10; });
    numbers seen;
    s.iter_node([&](const node& n) { seen.push_back(n.data()); });
    EXPECT_EQ(seen, (numbers{0, 10, 20}));
}

TEST(sequence, a_walk_may_remove_any_node_and_add_others) {
    miou::sequence<int> s;
    const auto nodes = fill(s, 6);
    numbers seen;
    s.iter_node([&](const node& n) {
        seen.push_back(n.data());
        n.remove();
        if (n == nodes[1]) {
            nodes[0].remove();
            nodes[2].remove();
            nodes[3].remove();
        }
        s.add(right, 10 + n.data());
    });
    EXPECT_EQ(seen, (numbers{0, 1, 4, 5}));
    EXPECT_EQ(s.to_list(), (numbers{10, 11, 14, 15}));
}

TEST(sequence, a_walk_may_drop_everything) {
    miou::sequence<std::string> s;
    s.add(right, std::string(100, 'x'));
    s.add(right, "unseen");
    s.iter([&](const std::string& each) {
        s.drop();
        EXPECT_EQ(each, std::string(100, 'x'));
    });
    EXPECT_TRUE(s.is_empty());
}

TEST(sequence, move_only_elements_are_moved) {
    miou::sequence<std::unique_ptr<int>> s;
    s.add(left, std::make_unique<int>(1));
    const auto n = s.add(left, std::make_unique<int>(2));
    EXPECT_EQ(*n.data(), 2);
    EXPECT_EQ(*s.take(right), 1);
    EXPECT_EQ(*s.take(right), 2);
}

TEST(sequence, an_element_that_cannot_be_moved_out_stays) {
    struct brittle {
        bool broken = false;
        brittle() = default;
        brittle(brittle&& other)
            : broken{other.broken} {
            if (broken)
                throw std::runtime_error{"brittle"};
        }
    };
    miou::sequence<brittle> s;
    s.add(right, brittle{}).data().broken = true;
    EXPECT_THROW(s.take(right), std::runtime_error);
    EXPECT_EQ(s.length(), 1u);
    s.peek_node(left).data().broken = false;
    s.take(left);
    EXPECT_TRUE(s.is_empty());
}

} // namespace
