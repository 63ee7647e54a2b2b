// Launches programs and tells how each ends, while others run: the port of "How to spawn & handle
// processes with Miou_unix?" in OCaml's miou_unix.mli, for several programs at a time.
//
//     main -- miou_unix::run -- launch, a task a command, each awaits its own computation
//                           +-- reap, a task a SIGCHLD, completes those of the programs that ended

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

/// How each program that runs has ended, one day. Of dom0, on which the handlers of signals run.
using programs = std::map<::pid_t, miou::computation<int>>;

/// One signal may stand for several programs.
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

/// Whether all has gone well.
bool launch(const std::string& command, programs& running) {
    const miou::computation<int> end;
    running.emplace(start(command), end); // no task runs in between, and so no handler
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
    programs running; // outlives the handlers, which end with the run
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
