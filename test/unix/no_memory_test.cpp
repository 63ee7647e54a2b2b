// Runs the programs of no_memory_core_test.cpp and no_memory_unix_test.cpp without memory
// (support/no_memory.hpp says how). Which thread makes a call, and what the others do meanwhile, is
// different each time: NO_MEMORY_ROUNDS in the environment says how often everything is tried.
//
//     NO_MEMORY_ROUNDS=1000 MIOU_DOMAINS=3 build-test/test/no_memory_test

#include "support/failing_new.hpp"
#include "support/no_memory.hpp"
#include "support/process.hpp"

#include "miou/logs.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace {

char last_words[200]; // what the watchdog prints

/// Aborts the process if the program has not ended after a minute.
class watchdog {
public:
    watchdog(const no_memory::program& of, std::size_t call) {
        std::snprintf(last_words, sizeof last_words, "%s hangs when call %zu of new fails\n",
                      of.name, call);
        std::signal(SIGALRM, [](int) {
            [[maybe_unused]] const auto ignored =
                ::write(STDERR_FILENO, last_words, std::strlen(last_words));
            std::abort();
        });
        ::alarm(60);
    }
    ~watchdog() { ::alarm(0); }
};

bool says_no_memory(const std::error_code& code) {
    return code == std::errc::not_enough_memory ||
           code == std::errc::resource_unavailable_try_again;
}

/// Empty if a program without memory may end with `error`, else what is wrong with it.
std::string complaint_about(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::bad_alloc&) {
        return {};
    } catch (const std::system_error& other) {
        return says_no_memory(other.code()) ? std::string{} : other.what();
    } catch (const std::exception& other) {
        return other.what();
    } catch (...) {
        return "an unknown exception";
    }
}

/// Runs a program while calls of `new` fail, and checks how it ends. False if no call has failed.
bool survives(const no_memory::program& it, std::size_t first, std::size_t count) {
    const std::size_t descriptors = test::open_descriptors();
    std::optional<int> returned;
    std::exception_ptr thrown;
    bool struck = false;
    {
        const watchdog barks{it, first};
        const test::failing_new until_return{first, count};
        try {
            returned = it.run();
        } catch (...) {
            thrown = std::current_exception();
        }
        struck = until_return.has_struck();
    }
    SCOPED_TRACE("call " + std::to_string(first));
    if (thrown)
        EXPECT_EQ(struck ? complaint_about(thrown) : "an exception for no reason", "");
    else
        EXPECT_EQ(returned, it.value);
    EXPECT_EQ(no_memory::counted::living.load(), 0) << "an object was left behind";
    EXPECT_EQ(test::open_descriptors(), descriptors) << "a descriptor was left behind";
    struct sigaction now {};
    ::sigaction(SIGUSR1, nullptr, &now);
    EXPECT_EQ(now.sa_handler, SIG_DFL) << "a signal handler was left behind";
    return struck;
}

/// How often all calls are tried. The threads interleave differently each time.
int rounds() {
    const char* const text = std::getenv("NO_MEMORY_ROUNDS");
    return text ? std::atoi(text) : 1;
}

} // namespace

void out_of_memory::fail_at_each_call(std::size_t count) {
    miou::logs::set_sink([](miou::logs::level, std::string_view line) {
        std::string{line}.append(100, ' '); // which may fail, too
    });
    std::size_t calls = 0;
    for (int round = 0; round < rounds() && !HasFailure(); ++round)
        for (calls = 1; survives(GetParam(), calls, count) && !HasFailure();)
            ++calls;
    EXPECT_GT(calls, 5u) << "hardly anything was tried";
    miou::logs::set_sink({});
}

TEST_P(out_of_memory, at_one_call_a_program_fails_cleanly) {
    fail_at_each_call(1);
}

TEST_P(out_of_memory, for_ten_calls_a_program_fails_cleanly) {
    fail_at_each_call(10);
}
