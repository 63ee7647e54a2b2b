// The program `echo` of docs/ as a child process.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace test {

/// A program that runs. What it prints is read all the time, so it never waits for that.
class child_program {
public:
    /// `descriptors` is the most that it may open.
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

/// The program that the environment's `variable` names, with these options.
std::vector<std::string> command_of(const char* variable, const std::vector<std::string>& options);
/// `echo` with these options.
std::vector<std::string> echo_command(const std::vector<std::string>& options);

/// `echo` on a port that the system chose, over as many domains as the test.
class echo_server : public child_program {
public:
    explicit echo_server(std::optional<unsigned> descriptors = {});
    std::uint16_t port() const noexcept { return port_; }

private:
    std::uint16_t port_ = 0;
};

} // namespace test
