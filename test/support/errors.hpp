// Looks at exceptions and their messages.
#pragma once

#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace test {

/// For tasks that fail on purpose.
struct failure : std::runtime_error {
    failure()
        : std::runtime_error{"failure"} {}
};

/// Whether `error` is an `E`.
template <class E>
bool is(const std::exception_ptr& error) {
    if (!error)
        return false;
    try {
        std::rethrow_exception(error);
    } catch (const E&) {
        return true;
    } catch (...) {
        return false;
    }
}

/// Whether `outcome`, a `miou::result`, failed with an `E`.
template <class E, class Result>
bool failed_with(const Result& outcome) {
    return outcome.has_error() && is<E>(outcome.error());
}

/// The message of the `E` that `fn` throws. The test fails if nothing is thrown.
template <class E, class F>
std::string message_of(F&& fn) {
    try {
        std::invoke(std::forward<F>(fn));
    } catch (const E& error) {
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace test
