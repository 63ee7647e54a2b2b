#include "support/process.hpp"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace test {
namespace {

std::size_t entries(const char* folder) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator{folder})
        ++count;
    return count;
}

/// Whether the thread with this folder in /proc has begun to exit, or is gone. A thread that was
/// joined may still have its folder.
bool is_exiting(const std::filesystem::path& thread) {
    std::string stat;
    std::getline(std::ifstream{thread / "stat"}, stat);
    std::istringstream fields{stat.substr(stat.rfind(')') + 1)}; // the name may have spaces
    std::string skipped;
    for (int i = 0; i < 6; ++i)
        fields >> skipped;
    unsigned long flags = 0;
    constexpr unsigned long exiting = 4; // PF_EXITING of the kernel
    return !(fields >> flags) || (flags & exiting) != 0;
}

} // namespace

std::size_t live_threads() {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator{"/proc/self/task"})
        count += !is_exiting(each.path());
    return count;
}

std::size_t open_descriptors() {
    return entries("/proc/self/fd") - 1; // without the iterator's own
}

std::size_t resident_bytes() {
    std::size_t total = 0;
    std::size_t resident = 0;
    std::ifstream{"/proc/self/statm"} >> total >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t mappings() {
    std::ifstream maps{"/proc/self/maps"};
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);)
        ++count;
    return count;
}

std::chrono::nanoseconds processor_time() {
    ::timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return std::chrono::seconds{used.tv_sec} + std::chrono::nanoseconds{used.tv_nsec};
}

void (*installed(int number))(int) {
    struct sigaction action;
    ::sigaction(number, nullptr, &action);
    return action.sa_handler;
}

} // namespace test
