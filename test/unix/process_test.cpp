// Child processes of tasks, and docs/examples/launcher, which starts child processes.

#include "support/child_program.hpp"
#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"
#include "support/temporary_folder.hpp"

#include "miou/computation.hpp"
#include "miou/promise.hpp"
#include "miou/sys_signal.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>
#include <string>
#include <system_error>
#include <vector>

extern char** environ;

namespace {

using test::child_program;
using test::contains;
using test::domains;

struct redirection {
    int in = -1, out = -1;
};

/// Starts a program, with its standard input and output redirected if `to` says so.
::pid_t start(const std::vector<const char*>& command, redirection to = {}) {
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    if (to.in >= 0)
        ::posix_spawn_file_actions_adddup2(&actions, to.in, STDIN_FILENO);
    if (to.out >= 0)
        ::posix_spawn_file_actions_adddup2(&actions, to.out, STDOUT_FILENO);
    std::vector<const char*> arguments = command;
    arguments.push_back(nullptr);
    ::pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, arguments[0], &actions, nullptr,
                                     const_cast<char* const*>(arguments.data()), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        throw std::system_error{error, std::generic_category(), arguments[0]};
    return pid;
}

/// Starts a shell that runs `command`.
::pid_t start(const char* command, redirection to = {}) {
    return start(std::vector{"sh", "-c", command}, to);
}

TEST(child_process, its_end_is_the_end_of_its_pipe) { // Miou_unix test01
    miou_unix::run({.domains = domains()}, [] {
        const auto [out, in] = test::raw_pipe();
        const ::pid_t pid = start("true", {.out = in});
        ::close(in);
        const auto f = miou_unix::of_file_descr(out);
        const auto read = miou::async([&] {
            char byte;
            return miou_unix::read(f, std::span{&byte, 1}) == 0;
        });
        const auto timeout = miou::async([] {
            miou_unix::sleep(20);
            return false;
        });
        const auto exit = miou::async([pid] {
            EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
            miou_unix::sleep(20);
            return false;
        });
        EXPECT_EQ(miou::await_one({read, timeout, exit}).value(), true);
        for (const auto& each : {read, timeout, exit})
            miou::cancel(each);
    });
}

TEST(child_process, its_output_can_be_read_to_the_end) {
    miou_unix::run({.domains = domains()}, [] {
        const auto [out, in] = test::raw_pipe();
        const ::pid_t pid = start("echo one; echo two", {.out = in});
        ::close(in);
        const auto reader =
            test::anywhere([f = miou_unix::of_file_descr(out)] { return test::read_to_end(f); });
        EXPECT_EQ(miou::await_exn(reader), "one\ntwo\n");
        EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
    });
}

/// The signals that a child process inherits as blocked, as /proc shows them.
std::string blocked_signals() {
    const auto [out, in] = test::raw_pipe();
    const ::pid_t pid = start({"grep", "SigBlk:", "/proc/self/status"}, {.out = in});
    ::close(in);
    std::string line;
    for (char byte; ::read(out, &byte, 1) == 1;)
        line += byte;
    ::close(out);
    EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
    return line;
}

TEST(child_process, of_a_blocking_call_has_the_signal_mask_of_the_caller) {
    miou_unix::run({.domains = domains()}, [] {
        const std::string of_task = blocked_signals();
        EXPECT_TRUE(contains(of_task, "SigBlk:"));
        EXPECT_EQ(miou_unix::blocking(blocked_signals), of_task);
        miou::await_exn(test::anywhere([&] {
            sigset_t one, before;
            ::sigemptyset(&one);
            ::sigaddset(&one, SIGUSR2);
            ::pthread_sigmask(SIG_BLOCK, &one, &before);
            const std::string of_this_one = blocked_signals();
            EXPECT_NE(of_this_one, of_task);
            EXPECT_EQ(miou_unix::blocking(blocked_signals), of_this_one);
            ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        }));
        miou_unix::blocking([] { // what a function does to the mask ends with it
            sigset_t all;
            ::sigfillset(&all);
            ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
        });
        for (int i = 0; i < 10; ++i)
            EXPECT_EQ(miou_unix::blocking(blocked_signals), of_task);
    });
}

TEST(child_process, sigchld_reports_its_end_and_blocks_no_task) { // Miou_unix test02
    std::vector<std::string> log;
    miou_unix::run({.domains = domains()}, [&] {
        const ::pid_t pid = start("exec sleep 1000"); // it is killed before that
        log.push_back("launched");
        const miou::computation<int> ended;
        miou::sys_signal(SIGCHLD, miou::signal_handle([&](int) {
                             int status = 0;
                             if (::waitpid(pid, &status, WNOHANG) == pid)
                                 ended.try_return(status);
                         }));
        log.push_back("handler installed");
        ::kill(pid, SIGTERM);
        const int status = ended.await_exn();
        log.push_back(WIFSIGNALED(status) ? "signaled" : "?");
    });
    EXPECT_EQ(log, (std::vector<std::string>{"launched", "handler installed", "signaled"}));
}

TEST(child_process, a_handler_may_install_itself_again) { // Miou_unix test02
    miou_unix::run({.domains = domains()}, [&] {
        const miou::computation<int> ended;
        ::pid_t pid = -1;
        struct handler {
            const ::pid_t& pid;
            const miou::computation<int>& ended;
            void operator()(int) const {
                int status = 0;
                if (::waitpid(pid, &status, WNOHANG) == 0)
                    miou::sys_signal(SIGCHLD, miou::signal_handle(*this));
                else
                    EXPECT_TRUE(ended.try_return(status));
            }
        };
        miou::sys_signal(SIGCHLD, miou::signal_handle(handler{pid, ended}));
        pid = start("exit 7");
        const int status = ended.await_exn();
        EXPECT_TRUE(WIFEXITED(status));
        EXPECT_EQ(WEXITSTATUS(status), 7);
    });
}

TEST(child_process, a_task_waits_for_its_end_while_others_run) { // the example of miou_unix.mli
    miou_unix::run({.domains = domains()}, [] {
        const auto [from, to] = test::raw_pipe();
        const ::pid_t pid = start("read line", {.in = from});
        ::close(from);
        const miou::computation<int> ended;
        miou::sys_signal(SIGCHLD, miou::signal_handle([&](int) {
                             EXPECT_EQ(miou::domain::self().to_int(), 0);
                             int status = 0;
                             if (::waitpid(pid, &status, WNOHANG) != pid)
                                 return;
                             miou::sys_signal(SIGCHLD, miou::signal_default());
                             EXPECT_TRUE(ended.try_return(status));
                         }));
        const auto other =
            test::anywhere([&, fd = to] { // unless this task runs, the program never ends
                EXPECT_TRUE(ended.is_running());
                EXPECT_EQ(::write(fd, "\n", 1), 1);
            });
        const int status = ended.await_exn();
        EXPECT_TRUE(WIFEXITED(status));
        EXPECT_EQ(WEXITSTATUS(status), 0);
        miou::await_exn(other);
        ::close(to);
        EXPECT_TRUE(miou::sys_signal(SIGCHLD, miou::signal_default()).is_default());
    });
}

TEST(child_process, a_handler_serves_many_that_end_at_once) { // as miou_unix.mli proposes
    static constexpr int count = test::scaled(40, 15);
    miou_unix::run({.domains = domains()}, [] {
        std::map<::pid_t, miou::computation<int>> running;
        miou::sys_signal(SIGCHLD, miou::signal_handle([&](int) {
                             std::erase_if(running, [](const auto& each) {
                                 int status = 0;
                                 return ::waitpid(each.first, &status, WNOHANG) == each.first &&
                                        each.second.try_return(WEXITSTATUS(status));
                             });
                         }));
        const auto [from, to] = test::raw_pipe();
        std::vector<miou::promise<int>> tasks;
        for (int i = 0; i < count; ++i) {
            const miou::computation<int> ended;
            const std::string command = "read line; exit " + std::to_string(i);
            running.emplace(start(command.c_str(), {.in = from}), ended);
            tasks.push_back(test::anywhere([ended] { return ended.await_exn(); }));
        }
        ::close(from);
        ::close(to); // all of them now read the end of the pipe
        const auto statuses = miou::await_all(tasks);
        for (int i = 0; i < count; ++i)
            EXPECT_EQ(statuses[static_cast<std::size_t>(i)].value(), i);
        EXPECT_TRUE(running.empty());
    });
}

/// The command that starts `launcher` with these commands.
std::vector<std::string> launch(const std::vector<std::string>& commands) {
    return test::command_of_program("launcher", commands);
}

TEST(launcher, tells_how_a_program_ends) {
    struct {
        const char* command;
        const char* end;
        int status;
    } const cases[] = {{"true", "exited with 0", 0},
                       {"exit 3", "exited with 3", 1},
                       {"kill -KILL $$", "killed: Killed", 1},
                       {"sleep 0.01; kill -TERM $$", "killed: Terminated", 1}};
    for (const auto& each : cases) {
        child_program program{launch({each.command})};
        EXPECT_EQ(program.wait(), each.status);
        EXPECT_EQ(program.printed(), std::string{each.command} + ": " + each.end + "\n");
    }
}

TEST(launcher, runs_all_at_the_same_time) {
    const test::temporary_folder folder;
    const std::string file = folder / "file";
    const std::string first = "until [ -e " + file + " ]; do sleep 0.01; done";
    const std::string second = "touch " + file;
    child_program program{launch({first, second})};
    EXPECT_EQ(program.wait(), 0);
    for (const std::string& each : {first, second})
        EXPECT_TRUE(contains(program.printed(), each + ": exited with 0\n")) << program.printed();
}

TEST(launcher, misses_none_of_many) {
    static constexpr int count = test::scaled(100, 20);
    std::vector<std::string> commands;
    for (int i = 0; i < count; ++i)
        commands.push_back("exit " + std::to_string(i));
    child_program program{launch(commands)};
    EXPECT_EQ(program.wait(), 1);
    const std::string printed = program.printed();
    for (const std::string& each : commands)
        EXPECT_TRUE(
            contains("\n" + printed, "\n" + each + ": exited with " + each.substr(5) + "\n"))
            << each;
    EXPECT_EQ(std::ranges::count(printed, '\n'), count);
}

TEST(launcher, explains_itself_when_there_is_nothing_to_do) {
    child_program program{launch({})};
    EXPECT_EQ(program.wait(), 2);
    EXPECT_TRUE(contains(program.printed(), "Usage: launcher")) << program.printed();
}

} // namespace
