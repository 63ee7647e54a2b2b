// Whether the program is built with a sanitizer. Tests do less then.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define TEST_THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEST_THREAD_SANITIZED 1
#endif
#endif
#ifndef TEST_THREAD_SANITIZED
#define TEST_THREAD_SANITIZED 0
#endif

#if TEST_THREAD_SANITIZED || defined(__SANITIZE_ADDRESS__)
#define TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_SANITIZED 1
#endif
#endif
#ifndef TEST_SANITIZED
#define TEST_SANITIZED 0
#endif

namespace test {

/// A number for a plain build and one for a sanitizer, which is slower and has a limit of fibers.
constexpr int scaled(int plain, int sanitized) {
    return TEST_SANITIZED ? sanitized : plain;
}

/// How many tasks may have a stack at the same time. 32 bits have few addresses. On kernels before
/// Linux 6.13 so many need `.unguarded`.
constexpr int most_tasks = sizeof(void*) < 8 ? 10'000 : scaled(100'000, 2'000);

} // namespace test
