// Programs that run out of memory. Each is run again and again: the first time its first call of
// `new` fails, then the second, and so on until no call is left. Whatever fails, the program must
// soon end with its value, or with an exception that says so, and leave nothing behind.
#pragma once

#include "miou/trigger.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <exception>
#include <ostream>

namespace no_memory {

struct program {
    const char* name;
    int (*run)();
    int value; // what it returns when it has enough memory
};

inline std::ostream& operator<<(std::ostream& out, const program& p) {
    return out << p.name;
}

/// An object of a program. It allocates nothing, and none may be left behind.
class counted {
public:
    counted() noexcept { ++living; }
    counted(const counted&) noexcept { ++living; }
    counted& operator=(const counted&) noexcept = default;
    ~counted() { --living; }

    inline static constinit std::atomic<int> living = 0;
};

class expected_failure : public std::exception {};

/// For a task. Throws if the task is cancelled.
inline void wait_for(miou::trigger& signal) {
    if (const std::exception_ptr cancellation = signal.await())
        std::rethrow_exception(cancellation);
}

} // namespace no_memory

/// A test of one program.
class out_of_memory : public testing::TestWithParam<no_memory::program> {
protected:
    /// Runs the program once for each of its calls of `new`: that call and the ones after it,
    /// `count` in all, fail.
    static void fail_at_each_call(std::size_t count);
};
