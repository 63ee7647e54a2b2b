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

/// A program that runs. What it prints is read all the time, so it never waits for that.
class child_program {
public:
    /// The first word names a file, or a program that is looked for in PATH. `descriptors` is the
    /// most that it may open.
    explicit child_program(const std::vector<std::string>& command,
                           std::optional<unsigned> descriptors = {});
    /// Kills it, if it is still there.
    ~child_program();
    child_program(const child_program&) = delete;
    child_program& operator=(const child_program&) = delete;

    void send(int signal) const;
    /// Waits for its end: its exit status, or minus the number of the signal that killed it.
    int wait();
    /// Whether it prints `text`, now or soon.
    bool prints(const std::string& text);
    /// What it has printed, on both streams.
    std::string printed() const;
    /// The processor time that it has used.
    std::chrono::milliseconds processor_time() const;
    /// The processor time that it uses while this thread sleeps for `time`.
    std::chrono::milliseconds processor_time_in(std::chrono::milliseconds time) const;
    std::size_t open_descriptors() const;
    /// Whether it has no more than `descriptors` open, now or soon.
    bool comes_down_to(std::size_t descriptors) const;
    /// The most memory that it has had so far, in bytes.
    std::size_t peak_memory() const;

private:
    void drain(int from);

    ::pid_t pid_ = -1;
    std::optional<int> status_;
    mutable std::mutex guard_;
    std::condition_variable changed_;
    std::string printed_;
    bool silent_ = false; // it has closed its end
    std::jthread reader_;
};

/// The words of both, in order.
std::vector<std::string> joined(std::vector<std::string> first,
                                const std::vector<std::string>& second);

/// What it prints until it ends, which it must do with `status`.
std::string output_of(child_program& program, int status = 0);
std::string output_of(child_program&& program, int status = 0);
/// The same of a program that is started for that, and ends well.
std::string output_of(const std::vector<std::string>& command);
std::vector<std::string> lines_of(const std::string& text);

/// Where a program of docs/ was built.
std::string path_of_program(const std::string& name);
/// How to start it.
std::vector<std::string> command_of_program(const std::string& name,
                                            const std::vector<std::string>& arguments = {});
/// How to start it over that many domains.
std::vector<std::string> command_of_program(const std::string& name,
                                            const std::vector<std::string>& arguments, int domains);

/// The same where the system's resolver gets no answer, for a minute.
std::vector<std::string> without_names(const std::vector<std::string>& command);

} // namespace test
