// Runs one hot path of the core so and so often, for instruction_counts.py, which counts the
// instructions. There is one domain, so that the count is the same each time.
#include "miou/miou.hpp"

#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

namespace {

/// By each of two tasks, which take turns.
void two_yields(std::size_t times) {
    auto other = miou::async([times] {
        for (std::size_t i = 0; i < times; ++i)
            miou::yield();
    });
    for (std::size_t i = 0; i < times; ++i)
        miou::yield();
    miou::await_exn(std::move(other));
}

void spawn_and_await(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i)
        miou::await_exn(miou::async([] {}));
}

void lock_and_unlock(std::size_t times) {
    miou::mutex guard;
    for (std::size_t i = 0; i < times; ++i)
        const std::scoped_lock lock{guard};
}

/// A round trip between two tasks.
void condition_ping_pong(std::size_t times) {
    miou::mutex guard;
    miou::condition changed;
    std::size_t turn = 0;
    const auto play = [&](std::size_t mine) {
        for (std::size_t i = 0; i < times; ++i) {
            std::unique_lock lock{guard};
            changed.wait(lock, [&] { return turn == mine; });
            turn = 1 - mine;
            changed.signal();
        }
    };
    auto other = miou::async([&] { play(1); });
    play(0);
    miou::await_exn(std::move(other));
}

/// A task awaits a trigger, which another one signals.
void trigger_signal_and_await(std::size_t times) {
    miou::trigger* awaited = nullptr;
    auto other = miou::async([&] {
        for (std::size_t i = 0; i < times; ++i) {
            miou::trigger mine;
            awaited = &mine;
            static_cast<void>(mine.await());
        }
    });
    for (std::size_t i = 0; i < times; ++i) {
        miou::yield();
        awaited->signal();
    }
    miou::await_exn(std::move(other));
}

/// The child is spawned, parked, cancelled, and unwound.
void cancel_a_parked_child(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
        const auto child = miou::async([] {
            miou::trigger never;
            never.await_exn();
        });
        miou::yield();
        miou::cancel(child);
    }
}

/// It is not cancelled.
void run_in_a_cancel_scope(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
        miou::cancel_scope scope;
        static_cast<void>(scope.run([] {}));
    }
}

void take_an_orphan(std::size_t times) {
    miou::orphans<void> children;
    for (std::size_t i = 0; i < times; ++i) {
        miou::async(children, [] {});
        miou::yield();
        static_cast<void>(miou::get(children));
    }
}

struct path {
    const char* name;
    void (*take)(std::size_t times);
};
constexpr path paths[] = {
    {"two_yields", &two_yields},
    {"spawn_and_await", &spawn_and_await},
    {"lock_and_unlock", &lock_and_unlock},
    {"condition_ping_pong", &condition_ping_pong},
    {"trigger_signal_and_await", &trigger_signal_and_await},
    {"cancel_a_parked_child", &cancel_a_parked_child},
    {"run_in_a_cancel_scope", &run_in_a_cancel_scope},
    {"take_an_orphan", &take_an_orphan},
};

} // namespace

int main(int argc, char** argv) {
    if (argc == 1) {
        std::printf("g++ %d\n", __GNUC__);
        for (const path& each : paths)
            std::puts(each.name);
        return EXIT_SUCCESS;
    }
    std::size_t times = 0;
    if (argc == 3)
        std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), times);
    for (const path& each : paths)
        if (times > 0 && std::strcmp(each.name, argv[1]) == 0) {
            miou::run({.domains = 0}, [&] { each.take(times); });
            return EXIT_SUCCESS;
        }
    std::fputs("Usage: paths [NAME TIMES]\nWithout arguments: the compiler, and the names.\n",
               stderr);
    return EXIT_FAILURE;
}
