#include "measure.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <string>

namespace bench {

double stopwatch::now() {
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
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

double median(std::vector<double> values) {
    if (values.empty())
        return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1)
        return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

} // namespace bench
