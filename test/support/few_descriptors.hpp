// A process that has no descriptors left.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

namespace test {

/// While this object exists the process can open only `spare` more descriptors.
class few_descriptors {
public:
    explicit few_descriptors(unsigned spare = 0) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int next = ::dup(STDIN_FILENO); // the lowest that is free
        ::close(next);
        ::rlimit now = before_;
        now.rlim_cur = static_cast<::rlim_t>(next) + spare;
        ::setrlimit(RLIMIT_NOFILE, &now);
    }
    ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    few_descriptors(const few_descriptors&) = delete;
    few_descriptors& operator=(const few_descriptors&) = delete;

private:
    ::rlimit before_;
};

} // namespace test
