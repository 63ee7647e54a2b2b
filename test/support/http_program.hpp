// The programs of docs/examples that speak HTTP, as child processes.
#pragma once

#include "miou_unix/file_descr.hpp"
#include "support/child_program.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace test {

/// A program that prints "listening on 127.0.0.1:PORT". It has as many domains as the test.
class http_program {
public:
    /// The first argument is port 0, for which the system chooses one; `options` follow.
    explicit http_program(const std::string& name, std::vector<std::string> options = {},
                          const std::string& scheme = "http");

    std::uint16_t port() const noexcept { return port_; }
    std::string url(const std::string& path) const;
    /// Suspends.
    miou_unix::file_descr connect() const;
    /// Sends `text` and returns everything that it answers until it closes the connection.
    /// Suspends.
    std::string answer_to(const std::string& text) const;
    child_program& program() noexcept { return program_; }
    /// Succeeds if it has logged no failure.
    testing::AssertionResult complained_of_nothing() const;
    /// Sends SIGTERM and expects a graceful end.
    void stop();

private:
    std::string scheme_;
    child_program program_;
    std::uint16_t port_ = 0;
};

} // namespace test
