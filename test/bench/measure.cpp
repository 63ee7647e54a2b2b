#include "measure.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <string>

namespace bench {

namespace {

double now_of(clockid_t clock) {
    timespec used{};
    ::clock_gettime(clock, &used);
    return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

} // namespace

double stopwatch::now() {
    return now_of(CLOCK_THREAD_CPUTIME_ID);
}

double process_clock::now() {
    return now_of(CLOCK_PROCESS_CPUTIME_ID);
}

memory memory_now() {
    memory found{};
    std::ifstream status{"/proc/self/status"};
    std::string key, rest;
    while (status >> key) {
        if (key == "VmRSS:")
            status >> found.resident;
        else if (key == "VmPTE:")
            status >> found.page_tables;
        std::getline(status, rest);
    }
    constexpr double kib = 1024;
    return {found.resident * kib, found.page_tables * kib};
}

double peak_resident() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) * 1024;
}

void check(bool right, const char* what) {
    if (!right)
        throw std::runtime_error{std::string{what} + " is wrong"};
}

std::chrono::nanoseconds time_to_sleep(std::size_t i, std::size_t sleepers) {
    return std::chrono::nanoseconds{std::chrono::seconds{1}} * (i * 7919 % sleepers + 1) / sleepers;
}

void lateness::woken(clock::time_point due) {
    const clock::duration late = clock::now() - due;
    earliest_ = std::min(earliest_, late);
    latest_ = std::max(latest_, late);
    ++woken_;
}

double lateness::worst_ms(std::size_t sleepers) const {
    check(woken_ == sleepers, "the number of sleepers that woke");
    check(earliest_ >= clock::duration::zero(), "the time at which a sleeper woke");
    return std::chrono::duration<double, std::milli>{latest_}.count();
}

double median(std::vector<double> values) {
    if (values.empty())
        return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1)
        return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double spread(std::vector<double> values) {
    const double middle = median(values);
    if (middle == 0)
        return 0;
    std::sort(values.begin(), values.end());
    const std::size_t quarter = values.size() / 4;
    return (values[values.size() - 1 - quarter] - values[quarter]) / 2 / middle;
}

} // namespace bench
