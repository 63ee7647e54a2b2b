#include "support/child_program.hpp"

#include "support/io.hpp"

#include <gtest/gtest.h>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

extern char** environ;

namespace test {
namespace {

using namespace std::chrono_literals;

/// Starts `command`; what it prints goes to `out`.
::pid_t start(std::vector<std::string> command, int out) {
    std::vector<char*> arguments;
    for (std::string& each : command)
        arguments.push_back(each.data());
    arguments.push_back(nullptr);
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    ::pid_t pid = -1;
    const int error =
        ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        throw std::system_error{error, std::generic_category(), command[0]};
    return pid;
}

} // namespace

child_program::child_program(const std::vector<std::string>& command,
                             std::optional<unsigned> descriptors) {
    std::vector<std::string> whole;
    if (descriptors)
        whole = {"/bin/sh", "-c",
                 "ulimit -n " + std::to_string(*descriptors) + "; exec \"$0\" \"$@\""};
    whole = joined(std::move(whole), command);
    const auto [from, to] = raw_pipe();
    try {
        pid_ = start(whole, to);
    } catch (...) {
        ::close(from);
        ::close(to);
        throw;
    }
    ::close(to);
    reader_ = std::jthread{[this, from = from] { drain(from); }};
}

child_program::~child_program() {
    if (!status_) {
        ::kill(pid_, SIGKILL);
        wait();
    }
}

void child_program::drain(int from) {
    std::array<char, 4096> buffer;
    for (::ssize_t length; (length = ::read(from, buffer.data(), buffer.size())) > 0;) {
        const std::scoped_lock lock{guard_};
        printed_.append(buffer.data(), static_cast<std::size_t>(length));
        changed_.notify_all();
    }
    ::close(from);
    const std::scoped_lock lock{guard_};
    silent_ = true;
    changed_.notify_all();
}

void child_program::send(int signal) const {
    ::kill(pid_, signal);
}

int child_program::wait() {
    if (!status_) {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        reader_.join(); // now all that it printed is in `printed_`
    }
    return *status_;
}

bool child_program::prints(const std::string& text) {
    std::unique_lock lock{guard_};
    const auto has_printed = [&] { return printed_.find(text) != std::string::npos; };
    changed_.wait_for(lock, 20s, [&] { return silent_ || has_printed(); });
    return has_printed();
}

std::string child_program::printed() const {
    const std::scoped_lock lock{guard_};
    return printed_;
}

std::chrono::milliseconds child_program::processor_time() const {
    std::ifstream file{"/proc/" + std::to_string(pid_) + "/stat"};
    std::string before_the_state;
    std::getline(file, before_the_state, ')'); // a name may contain anything
    std::string ignored;
    for (int field = 3; field < 14; ++field)
        file >> ignored;
    long user = 0;
    long system = 0;
    file >> user >> system;
    return (user + system) * 1000ms / ::sysconf(_SC_CLK_TCK);
}

std::chrono::milliseconds child_program::processor_time_in(std::chrono::milliseconds time) const {
    const auto before = processor_time();
    std::this_thread::sleep_for(time);
    return processor_time() - before;
}

std::size_t child_program::peak_memory() const {
    std::ifstream file{"/proc/" + std::to_string(pid_) + "/status"};
    std::size_t kibibytes = 0;
    for (std::string word; file >> word;)
        if (word == "VmHWM:")
            file >> kibibytes;
    return kibibytes * 1024;
}

std::size_t child_program::open_descriptors() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each :
         std::filesystem::directory_iterator{"/proc/" + std::to_string(pid_) + "/fd"})
        ++count;
    return count;
}

bool child_program::comes_down_to(std::size_t descriptors) const {
    for (const deadline patience; open_descriptors() > descriptors;) {
        if (patience.has_passed())
            return false;
        std::this_thread::sleep_for(1ms); // there is nothing to wait for
    }
    return true;
}

std::vector<std::string> joined(std::vector<std::string> first,
                                const std::vector<std::string>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

std::string output_of(child_program& program, int status) {
    EXPECT_EQ(program.wait(), status) << program.printed();
    return program.printed();
}

std::string output_of(child_program&& program, int status) {
    return output_of(program, status);
}

std::string output_of(const std::vector<std::string>& command) {
    return output_of(child_program{command});
}

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream in{text};
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

std::string path_of_program(const std::string& name) {
    const char* const folder = std::getenv("PROGRAMS");
    if (folder == nullptr)
        throw std::runtime_error{"PROGRAMS does not say where they are: start this by Meson"};
    return std::string{folder} + '/' + name;
}

std::vector<std::string> command_of_program(const std::string& name,
                                            const std::vector<std::string>& arguments) {
    return joined({path_of_program(name)}, arguments);
}

std::vector<std::string> command_of_program(const std::string& name,
                                            const std::vector<std::string>& arguments,
                                            int domains) {
    return joined({"env", "MIOU_DOMAINS=" + std::to_string(domains)},
                  command_of_program(name, arguments));
}

std::vector<std::string> without_names(const std::vector<std::string>& command) {
    return joined({"env", std::string{"LD_PRELOAD="} + std::getenv("SLOW_RESOLVER")}, command);
}

} // namespace test
