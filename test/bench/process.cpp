#include "process.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <system_error>

namespace bench {
namespace {

[[noreturn]] void child(int out, const std::function<figures()>& measure) {
    try {
        const figures measured = measure();
        const std::size_t size = measured.size() * sizeof(double);
        const bool sent = ::write(out, measured.data(), size) == static_cast<ssize_t>(size);
        // Not exit: the parent's buffered output would be written twice.
        ::_exit(sent ? EXIT_SUCCESS : EXIT_FAILURE);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench: %s\n", error.what());
        ::_exit(EXIT_FAILURE);
    }
}

[[noreturn]] void system_failed(const char* call) {
    throw std::system_error{errno, std::generic_category(), call};
}

} // namespace

figures in_child(const std::function<figures()>& measure) {
    int ends[2];
    if (::pipe(ends) != 0)
        system_failed("pipe");
    const pid_t pid = ::fork();
    if (pid < 0)
        system_failed("fork");
    if (pid == 0) {
        ::close(ends[0]);
        child(ends[1], measure);
    }
    ::close(ends[1]);
    figures measured;
    for (double each = 0; ::read(ends[0], &each, sizeof each) == sizeof each;)
        measured.push_back(each);
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
        return measured;
    throw std::runtime_error{"the process that measured ended with wait status " +
                             std::to_string(status)};
}

} // namespace bench
