// Programs as child processes.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace test {

/// A running program. A thread reads what it prints, so its output never blocks.
class child_program {
public:
    /// The first word is a path, or the name of a program in PATH. `descriptors` limits how many
    /// descriptors it may have open.
    explicit child_program(const std::vector<std::string>& command,
                           std::optional<unsigned> descriptors = {});
    /// Kills it if it still runs.
    ~child_program();
    child_program(const child_program&) = delete;
    child_program& operator=(const child_program&) = delete;

    void send(int signal) const;
    /// Waits until it ends. Returns its exit status, or the negated number of the signal that
    /// killed it.
    int wait();
    /// Whether it has printed `text`, or does so soon.
    bool prints(const std::string& text);
    /// What it has printed so far, on standard output and standard error.
    std::string printed() const;
    /// The processor time that it has used so far.
    std::chrono::milliseconds processor_time() const;
    /// The processor time that it uses while this thread sleeps for `time`.
    std::chrono::milliseconds processor_time_in(std::chrono::milliseconds time) const;
    std::size_t open_descriptors() const;
    /// Whether it has at most `descriptors` open, now or soon.
    bool comes_down_to(std::size_t descriptors) const;
    /// Its peak resident memory so far, in bytes.
    std::size_t peak_memory() const;

private:
    void drain(int from);

    ::pid_t pid_ = -1;
    std::optional<int> status_;
    mutable std::mutex guard_;
    std::condition_variable changed_;
    std::string printed_;
    bool silent_ = false; // it has closed its output
    std::jthread reader_;
};

/// The words of `first`, then those of `second`.
std::vector<std::string> joined(std::vector<std::string> first,
                                const std::vector<std::string>& second);

/// Waits until the program ends, expects `status`, and returns what it has printed.
std::string output_of(child_program& program, int status = 0);
std::string output_of(child_program&& program, int status = 0);
/// Starts the program first, and expects that it succeeds.
std::string output_of(const std::vector<std::string>& command);
std::vector<std::string> lines_of(const std::string& text);

/// Where a program of docs/examples was built.
std::string path_of_program(const std::string& name);
/// The command that starts it.
std::vector<std::string> command_of_program(const std::string& name,
                                            const std::vector<std::string>& arguments = {});
/// The command that starts it with that many domains.
std::vector<std::string> command_of_program(const std::string& name,
                                            const std::vector<std::string>& arguments, int domains);

/// The same command, with a system resolver that fails only after a minute.
std::vector<std::string> without_names(const std::vector<std::string>& command);

} // namespace test
