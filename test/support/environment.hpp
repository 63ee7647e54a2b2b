// The environment of the process, changed for the time of a test.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace test {

/// Sets a variable of the environment, and restores it when it is destroyed. For one thread at a
/// time.
class environment_variable {
public:
    environment_variable(const char* name, const char* value)
        : name_{name} {
        if (const char* before = std::getenv(name))
            before_ = before;
        ::setenv(name, value, 1);
    }
    ~environment_variable() {
        if (before_)
            ::setenv(name_, before_->c_str(), 1);
        else
            ::unsetenv(name_);
    }
    environment_variable(const environment_variable&) = delete;
    environment_variable& operator=(const environment_variable&) = delete;

private:
    const char* name_;
    std::optional<std::string> before_;
};

} // namespace test
