// The programs of docs/ that speak HTTP, as child processes.
#pragma once

#include "miou_unix/file_descr.hpp"
#include "support/child_program.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace test {

/// A program that says "listening on 127.0.0.1:PORT", over as many domains as the test.
class http_program {
public:
    /// `options` come after the port, which the system chooses.
    explicit http_program(const std::string& name, std::vector<std::string> options = {},
                          const std::string& scheme = "http");

    std::uint16_t port() const noexcept { return port_; }
    std::string url(const std::string& path) const;
    /// Suspends.
    miou_unix::file_descr connect() const;
    /// All that it says to `text` before it closes the connection. Suspends.
    std::string answer_to(const std::string& text) const;
    child_program& program() noexcept { return program_; }
    /// It has logged no failure.
    testing::AssertionResult complained_of_nothing() const;
    /// Ends it as an operator would.
    void stop();

private:
    std::string scheme_;
    child_program program_;
    std::uint16_t port_ = 0;
};

} // namespace test
