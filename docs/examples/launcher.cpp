// Runs several programs at the same time and reports how each of them ends. It is a port of "How to
// spawn & handle processes with Miou_unix?" in OCaml's miou_unix.mli.
//
//     main -- miou_unix::run -- launch, a task for each command, awaits a computation
//                           +-- reap, a task for each SIGCHLD, completes the computations of the
//                               programs that have ended

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <iostream>
#include <map>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace {

constexpr const char* usage = R"(Usage: launcher COMMAND...
Runs the commands at the same time, each by a shell, and tells how each ends.
)";

/// The running programs, each with a computation of its exit status. Only dom0 uses it: the
/// handlers of signals run there.
using programs = std::map<::pid_t, miou::computation<int>>;

/// Looks at every program, because one SIGCHLD may stand for several.
void reap(programs& running) {
    std::erase_if(running, [](const auto& program) {
        const auto& [pid, end] = program;
        int status = 0;
        return ::waitpid(pid, &status, WNOHANG) == pid && end.try_return(status);
    });
}

::pid_t start(const std::string& command) {
    const char* const arguments[] = {"sh", "-c", command.c_str(), nullptr};
    ::pid_t pid = -1;
    if (const int error = ::posix_spawn(&pid, "/bin/sh", nullptr, nullptr,
                                        const_cast<char* const*>(arguments), environ))
        throw std::system_error{error, std::generic_category(), "cannot start a shell"};
    return pid;
}

std::string describe(int status) {
    if (WIFSIGNALED(status))
        return std::string{"killed: "} + ::strsignal(WTERMSIG(status));
    return "exited with " + std::to_string(WEXITSTATUS(status));
}

/// Whether the command succeeded.
bool launch(const std::string& command, programs& running) {
    const miou::computation<int> end;
    running.emplace(start(command), end); // no task runs in between, so no handler does
    const int status = end.await_exn();
    std::cout << command << ": " << describe(status) << std::endl;
    return status == 0;
}

} // namespace

int main(int argc, char** argv) try {
    if (argc < 2) {
        std::cerr << usage;
        return 2;
    }
    programs running; // the handlers refer to it, and they end with the run
    const bool all_well = miou_unix::run({.domains = 0}, [&] {
        miou::sys_signal(SIGCHLD, miou::signal_handle([&](int) { reap(running); }));
        std::vector<miou::promise<bool>> launches;
        for (const char* command : std::span{argv + 1, argv + argc})
            launches.push_back(miou::async([&, command] { return launch(command, running); }));
        bool well = true;
        for (const auto& each : miou::await_all(launches))
            well &= each.value();
        return well;
    });
    return all_well ? 0 : 1;
} catch (const std::exception& error) {
    std::cerr << "launcher: " << error.what() << '\n';
    return 1;
}
