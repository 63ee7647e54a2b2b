// Tests in which a process runs out of address space.
#pragma once

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace test {

/// From now on the process may use only `more` bytes of address space beyond what it has.
inline void limit_address_space(std::size_t more) {
    std::size_t pages = 0;
    std::FILE* const statm = std::fopen("/proc/self/statm", "r");
    if (statm == nullptr || std::fscanf(statm, "%zu", &pages) != 1)
        std::_Exit(3);
    std::fclose(statm);
    const rlimit limit{pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + more,
                       RLIM_INFINITY};
    if (::setrlimit(RLIMIT_AS, &limit) != 0)
        std::_Exit(4);
}

/// Each test runs in a fresh process, so the heap of other tests does not matter. The process has
/// only one malloc arena: each further one would reserve address space.
class fresh_process : public testing::Test {
protected:
    void SetUp() override {
        testing::FLAGS_gtest_death_test_style = "threadsafe";
        ::setenv("MALLOC_ARENA_MAX", "1", 1);
    }
    void TearDown() override {
        testing::FLAGS_gtest_death_test_style = "fast";
        ::unsetenv("MALLOC_ARENA_MAX");
    }
};

} // namespace test
