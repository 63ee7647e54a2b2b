#include "support/process.hpp"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace test {
namespace {

std::size_t entries(const char* folder) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator{folder})
        ++count;
    return count;
}

} // namespace

std::size_t live_threads() {
    return entries("/proc/self/task");
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
