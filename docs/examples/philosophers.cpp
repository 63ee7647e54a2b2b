// Dijkstra's dining philosophers. It is a port of philosophers/main.ml of OCaml's Miou.
//
//     philosophers [SECONDS [ROUNDS]]
//
// They dine for SECONDS seconds (30). If ROUNDS is given they stop when each has eaten ROUNDS
// times, and think and eat for milliseconds instead of seconds.

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <array>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <optional>
#include <random>
#include <string>

namespace {

class semaphore {
public:
    void acquire() {
        const std::scoped_lock held{mutex_};
        condition_.wait(mutex_, [this] { return value_ > 0; });
        --value_;
    }
    void release() {
        const std::scoped_lock held{mutex_};
        ++value_;
        condition_.signal();
    }

private:
    int value_ = 0;
    miou::mutex mutex_;
    miou::condition condition_;
};

// There are always five. The original has as many philosophers as domains, but computes neighbours
// as if there were five. It also starts the semaphores at 1, which lets neighbours eat together
// once.
constexpr std::size_t n = 5;
std::size_t l(std::size_t i) {
    return (i - 1 + n) % n;
}
std::size_t r(std::size_t i) {
    return (i + 1) % n;
}

miou::mutex output;
miou::mutex critical;

enum class state { hungry, thinking, eating };

using seconds = std::chrono::duration<double>;

struct table {
    std::optional<int> rounds;
    std::array<semaphore, n> sem{};
    std::array<state, n> state_of{};
};

template <class... Parts>
void print(std::size_t i, const Parts&... parts) {
    output.protect([&] {
        std::cout << std::setw(2) << std::setfill('0') << i;
        (std::cout << ... << parts) << std::endl;
    });
}

void test(table& t, std::size_t i) {
    if (t.state_of[i] == state::hungry && t.state_of[l(i)] != state::eating &&
        t.state_of[r(i)] != state::eating) {
        t.state_of[i] = state::eating;
        t.sem[i].release();
    }
}

seconds some_time(const table& t) {
    thread_local std::mt19937 random{std::random_device{}()};
    return std::uniform_real_distribution{1., 6.}(random)*seconds{t.rounds ? 0.001 : 1.};
}

void think(const table& t, std::size_t i) {
    const seconds duration = some_time(t);
    print(i, " is thinking ", duration.count(), "s");
    miou_unix::sleep(duration);
}

void take_forks(table& t, std::size_t i) {
    critical.protect([&] {
        t.state_of[i] = state::hungry;
        print(i, " is hungry");
        test(t, i);
    });
    t.sem[i].acquire();
}

void eat(const table& t, std::size_t i) {
    print(i, " is eating");
    miou_unix::sleep(some_time(t));
}

void put_forks(table& t, std::size_t i) {
    const std::scoped_lock held{critical};
    print(i, " has eaten");
    t.state_of[i] = state::thinking;
    test(t, l(i));
    test(t, r(i));
}

void philosopher(table& t, std::size_t i) {
    for (int round = 0; !t.rounds || round < *t.rounds; ++round) {
        think(t, i);
        take_forks(t, i);
        eat(t, i);
        put_forks(t, i);
    }
}

} // namespace

int main(int argc, char** argv) try {
    const int ts = argc > 1 ? std::stoi(argv[1]) : 30;
    table t{.rounds = argc > 2 ? std::optional{std::stoi(argv[2])} : std::nullopt};
    t.state_of.fill(state::thinking);
    miou_unix::run([&] {
        const auto sleep = miou::async([&] { miou_unix::sleep(seconds(ts)); });
        const auto philosophers = miou::async([&] {
            std::array<std::size_t, n> all;
            std::iota(all.begin(), all.end(), 0u);
            for (const auto& result :
                 miou::parallel([&](std::size_t i) { philosopher(t, i); }, all))
                result.value();
        });
        miou::await_first({philosophers, sleep}).value();
    });
} catch (const std::exception& error) {
    std::cerr << "philosophers: " << error.what() << '\n';
    return 1;
}
