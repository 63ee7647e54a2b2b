// The queue that all tasks and threads may use at the same time.

#include "support/domains.hpp"
#include "support/race.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using numbers = std::vector<int>;

TEST(queue, elements_leave_in_the_order_of_their_arrival) {
    miou::queue<int> q;
    EXPECT_TRUE(q.is_empty());
    for (int i = 0; i < 3; ++i)
        q.enqueue(i);
    EXPECT_FALSE(q.is_empty());
    EXPECT_EQ(q.length(), 3u);
    EXPECT_EQ(q.peek(), 0);
    EXPECT_EQ(q.dequeue(), 0);
    EXPECT_EQ(q.dequeue(), 1);
    q.enqueue(3);
    EXPECT_EQ(q.dequeue(), 2);
    EXPECT_EQ(q.dequeue(), 3);
    EXPECT_TRUE(q.is_empty());
}

TEST(queue, there_is_nothing_to_take_from_an_empty_one) {
    miou::queue<std::string> q;
    EXPECT_THROW(q.dequeue(), miou::empty);
    EXPECT_THROW(q.peek(), miou::empty);
    EXPECT_EQ(q.to_list(), std::vector<std::string>{});
    q.iter([](const std::string&) { ADD_FAILURE(); });
    q.drop([](const std::string&) { ADD_FAILURE(); });
    EXPECT_TRUE(q.transfer().is_empty());
}

TEST(queue, looking_at_all_elements_changes_nothing) {
    miou::queue<int> q;
    for (int i = 0; i < 5; ++i)
        q.enqueue(i);
    numbers seen;
    q.iter([&](int i) { seen.push_back(i); });
    EXPECT_EQ(seen, (numbers{0, 1, 2, 3, 4}));
    EXPECT_EQ(q.to_list(), seen);
    EXPECT_EQ(q.length(), 5u);
}

TEST(queue, drop_empties_the_queue_and_then_calls_the_function_in_order) {
    miou::queue<std::string> q;
    for (const char* each : {"a", "b"})
        q.enqueue(each);
    std::string all;
    q.drop([&](std::string each) {
        EXPECT_TRUE(q.is_empty() || q.peek() == "new");
        all += each;
        q.enqueue("new");
    });
    EXPECT_EQ(all, "ab");
    EXPECT_EQ(q.to_list(), (std::vector<std::string>{"new", "new"}));
}

TEST(queue, transferring_leaves_an_empty_queue) {
    miou::queue<int> q;
    for (int i = 0; i < 3; ++i)
        q.enqueue(i);
    auto other = q.transfer();
    EXPECT_TRUE(q.is_empty());
    q.enqueue(9);
    other.enqueue(3);
    EXPECT_EQ(other.to_list(), (numbers{0, 1, 2, 3}));
    EXPECT_EQ(q.to_list(), (numbers{9}));
}

TEST(queue, move_only_elements_are_moved) {
    miou::queue<std::unique_ptr<int>> q;
    for (int i = 0; i < 4; ++i)
        q.enqueue(std::make_unique<int>(i));
    EXPECT_EQ(*q.dequeue(), 0);
    auto other = q.transfer();
    EXPECT_EQ(*other.dequeue(), 1);
    int sum = 0;
    other.drop([&](std::unique_ptr<int> each) { sum += *each; });
    EXPECT_EQ(sum, 2 + 3);
}

TEST(queue, elements_that_are_left_are_destroyed_with_it) {
    const auto watched = std::make_shared<int>(0);
    {
        miou::queue<std::shared_ptr<int>> q;
        q.enqueue(watched);
        q.enqueue(watched);
        q.dequeue();
        EXPECT_EQ(watched.use_count(), 2);
    }
    EXPECT_EQ(watched.use_count(), 1);
}

TEST(queue, a_walk_sees_elements_unchanged_while_they_are_removed) {
    miou::queue<std::string> q;
    const std::string long_text(100, 'x'); // too long for the small-string buffer
    for (int i = 0; i < 4; ++i)
        q.enqueue(long_text);
    int seen = 0;
    q.iter([&](const std::string& each) {
        if (seen++ == 0) {
            EXPECT_EQ(q.dequeue(), long_text);
            EXPECT_EQ(q.dequeue(), long_text);
            q.drop([&](const std::string& dropped) { EXPECT_EQ(dropped, long_text); });
            q.enqueue("new");
        }
        EXPECT_EQ(each, long_text);
    });
    EXPECT_EQ(seen, 4);
    EXPECT_EQ(q.dequeue(), "new");
}

/// Throws at a later copy or move: the one after `intact` others.
struct brittle {
    static inline int intact = -1; // negative: never throws

    int value;
    explicit brittle(int v)
        : value{v} {}
    brittle(const brittle& other)
        : value{other.value} {
        count();
    }
    brittle(brittle&& other)
        : value{other.value} {
        count();
        other.value = -1;
    }
    static void count() {
        if (intact == 0) {
            intact = -1;
            throw std::runtime_error{"brittle"};
        }
        --intact;
    }
};

numbers values_of(miou::queue<brittle>& q) {
    numbers values;
    q.iter([&](const brittle& each) { values.push_back(each.value); });
    return values;
}

TEST(queue, nothing_is_lost_when_an_element_cannot_be_copied_or_moved) {
    miou::queue<brittle> q;
    for (int i = 0; i < 3; ++i)
        q.enqueue(brittle{i});
    const auto fails = [&](auto operation) {
        int failures = 0;
        for (int moves = 0; moves < 8; ++moves) {
            brittle::intact = moves;
            try {
                operation();
                break; // no copy or move threw: there are no more to try
            } catch (const std::runtime_error&) {
                ++failures;
                EXPECT_EQ(q.length(), 3u);
                EXPECT_EQ(values_of(q), (numbers{0, 1, 2}));
            }
        }
        brittle::intact = -1;
        EXPECT_GT(failures, 0);
    };
    fails([&] { q.peek(); });
    fails([&] { q.to_list(); });
    fails([&] { q.enqueue(brittle{3}); });
    EXPECT_EQ(values_of(q), (numbers{0, 1, 2, 3}));
    EXPECT_EQ(q.dequeue().value, 0);
    q.drop([](const brittle&) {});
    for (int i = 0; i < 3; ++i)
        q.enqueue(brittle{i});
    fails([&] { q.dequeue(); });
    EXPECT_EQ(values_of(q), (numbers{1, 2}));
}

TEST(queue, nothing_is_lost_when_an_element_that_a_walk_holds_cannot_be_copied) {
    for (int moves = 0; moves < 2; ++moves) {
        miou::queue<brittle> q;
        for (int i = 0; i < 3; ++i)
            q.enqueue(brittle{i});
        bool first = true;
        q.iter([&](const brittle&) {
            if (std::exchange(first, false)) {
                brittle::intact = moves; // the copy is made, then moved
                EXPECT_THROW(q.dequeue(), std::runtime_error);
            }
        });
        EXPECT_EQ(values_of(q), (numbers{0, 1, 2}));
        for (const int expected : {0, 1, 2})
            EXPECT_EQ(q.dequeue().value, expected);
        q.enqueue(brittle{3});
        EXPECT_EQ(values_of(q), (numbers{3}));
    }
}

TEST(queue, a_function_that_throws_ends_the_walk) {
    const auto watched = std::make_shared<int>(0);
    miou::queue<std::shared_ptr<int>> q;
    for (int i = 0; i < 3; ++i)
        q.enqueue(watched);
    int seen = 0;
    const auto stop_at_second = [&](const std::shared_ptr<int>&) {
        if (++seen == 2)
            throw std::runtime_error{"stop"};
    };
    EXPECT_THROW(q.iter(stop_at_second), std::runtime_error);
    EXPECT_EQ(q.length(), 3u);
    seen = 0;
    EXPECT_THROW(q.drop(stop_at_second), std::runtime_error);
    EXPECT_EQ(seen, 2);
    EXPECT_TRUE(q.is_empty());
    EXPECT_EQ(watched.use_count(), 1);
}

TEST(queue, a_long_one_is_destroyed_on_the_small_stack_of_a_task) {
    miou::run({.domains = 0}, [] {
        miou::queue<int> q;
        constexpr int many = 200'000;
        for (int i = 0; i < many; ++i)
            q.enqueue(i);
        // When the walk ends, only the walk keeps the elements.
        EXPECT_THROW(q.iter([&](int) {
            q.drop([](int) {});
            throw std::runtime_error{"stop"};
        }),
                     std::runtime_error);
        for (int i = 0; i < many; ++i)
            q.enqueue(i);
    });
}

constexpr int producers_each = 3; // on each domain, and as many plain threads
constexpr int per_producer = test::scaled(10'000, 1'000);

struct element {
    int producer;
    int number;
    std::string text; // would show an element that is moved twice, or a race
};

/// Checks that the consumers see every element once, and in the order of its producer.
class account {
public:
    explicit account(int producers)
        : producers_{static_cast<std::size_t>(producers)}
        , taken_(producers_ * per_producer) {}

    /// What one consumer takes: the elements of each producer must come in order.
    class consumer {
    public:
        explicit consumer(account& all)
            : all_{all}
            , last_(all.producers_, -1) {}
        void take(const element& e) {
            EXPECT_EQ(e.text, text_of(e.number));
            int& last = last_.at(static_cast<std::size_t>(e.producer));
            EXPECT_LT(last, e.number);
            last = e.number;
            const int before =
                all_.taken_.at(static_cast<std::size_t>(e.producer * per_producer + e.number))++;
            EXPECT_EQ(before, 0);
            ++all_.count_;
        }

    private:
        account& all_;
        numbers last_;
    };

    static std::string text_of(int number) {
        return "an element with the number " + std::to_string(number);
    }
    bool is_complete() const { return count_ == static_cast<int>(taken_.size()); }

private:
    std::size_t producers_;
    std::vector<std::atomic<int>> taken_;
    std::atomic<int> count_ = 0;
};

void produce(miou::queue<element>& q, int producer) {
    for (int i = 0; i < per_producer; ++i)
        q.enqueue({producer, i, account::text_of(i)});
}

TEST(queue, in_a_storm_every_element_arrives_once_and_in_the_order_of_its_producer) {
    const int parties = test::domains() + 2; // the domains, dom0 included, and the plain threads
    miou::queue<element> q;
    account all{parties * producers_each};
    std::atomic<bool> looking = true;
    const auto consume = [&](auto wait) {
        account::consumer mine{all};
        while (!all.is_complete())
            try {
                mine.take(q.dequeue());
            } catch (const miou::empty&) {
                wait();
            }
    };
    std::vector<std::jthread> threads;
    for (int i = 0; i < producers_each; ++i)
        threads.emplace_back([&, i] { produce(q, i); });
    threads.emplace_back([&] { consume([] { std::this_thread::yield(); }); });
    // While a reader walks, a removal copies the element instead of moving it.
    threads.emplace_back([&] {
        while (looking) {
            std::vector<int> last(static_cast<std::size_t>(parties * producers_each), -1);
            q.iter([&](const element& e) {
                EXPECT_EQ(e.text, account::text_of(e.number));
                EXPECT_LT(std::exchange(last.at(static_cast<std::size_t>(e.producer)), e.number),
                          e.number);
            });
            try {
                const element first = q.peek();
                EXPECT_EQ(first.text, account::text_of(first.number));
            } catch (const miou::empty&) {
                std::this_thread::yield();
            }
        }
    });
    miou::run({.domains = test::domains()}, [&] {
        std::vector<miou::promise<void>> tasks;
        const auto work = [&](int party) {
            std::vector<miou::promise<void>> mine;
            for (int i = 0; i < producers_each; ++i)
                mine.push_back(miou::async([&, i] { produce(q, party * producers_each + i); }));
            mine.push_back(miou::async([&] { consume([] { miou::yield(); }); }));
            for (const auto& each : mine)
                miou::await_exn(each);
        };
        tasks.push_back(miou::async([&] { work(1); }));
        for (const miou::domain_uid domain : miou::domain::all())
            tasks.push_back(
                miou::call({.pin = domain}, [&, domain] { work(domain.to_int() + 1); }));
        for (const auto& each : tasks)
            miou::await_exn(each);
    });
    looking = false;
    threads.clear();
    EXPECT_TRUE(all.is_complete());
    EXPECT_TRUE(q.is_empty());
}

TEST(queue, concurrent_drops_and_transfers_take_every_element_once) {
    constexpr int many = 50;
    miou::queue<int> q;
    std::atomic<int> sum = 0;
    std::atomic<int> seen = 0;
    const auto take = [&](int each) {
        sum += each;
        ++seen;
    };
    test::race(
        test::scaled(100, 30),
        [&] {
            sum = 0;
            seen = 0;
            for (int i = 1; i <= many; ++i)
                q.enqueue(i);
        },
        {[&] { q.drop(take); }, [&] { q.transfer().drop(take); },
         [&] {
             for (int i = 1; i <= many; ++i)
                 q.enqueue(i);
         },
         [&] {
             try {
                 for (;;)
                     take(q.dequeue());
             } catch (const miou::empty&) {
             }
         }},
        [&] {
            q.drop(take);
            EXPECT_EQ(seen, 2 * many);
            EXPECT_EQ(sum, many * (many + 1));
        });
}

} // namespace
