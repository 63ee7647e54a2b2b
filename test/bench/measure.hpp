// Clocks, medians and memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace bench {

/// Processor time of the calling thread. Time in which others have the processor does not count.
class stopwatch {
public:
    double ns() const { return now() - start_; }

private:
    static double now();
    double start_ = now();
};

/// For work that is done on several threads, or that waits.
class wall_clock {
public:
    double ns() const {
        return std::chrono::duration<double, std::nano>(clock::now() - start_).count();
    }

private:
    using clock = std::chrono::steady_clock;
    clock::time_point start_ = clock::now();
};

/// The memory of this process, in bytes.
struct memory {
    double resident;
    double page_tables;
};
memory memory_now();
double peak_resident();

/// 0 if there are no values.
double median(std::vector<double> values);

} // namespace bench
