// Clocks, memory, and whether the work was done.
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

/// Processor time of all threads of this process.
class process_clock {
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

/// Throws `std::runtime_error` if not `right`: then the figures would mean nothing.
void check(bool right, const char* what);
/// 0 + 1 + ... up to `count`, without that.
constexpr std::size_t sum_below(std::size_t count) {
    return count * (count - 1) / 2;
}

/// How long sleeper `i` of so many sleeps: within a second, in no particular order.
std::chrono::nanoseconds time_to_sleep(std::size_t i, std::size_t sleepers);

/// By how much the latest of many sleepers overslept.
class lateness {
public:
    using clock = std::chrono::steady_clock;

    void woken(clock::time_point due);
    /// Throws if not all of the sleepers have woken, or one of them too early.
    double worst_ms(std::size_t sleepers) const;

private:
    clock::duration earliest_ = clock::duration::max();
    clock::duration latest_ = clock::duration::min();
    std::size_t woken_ = 0;
};

/// 0 if there are no values.
double median(std::vector<double> values);
/// Half of what the middle half of the values spans, as a part of their median.
double spread(std::vector<double> values);

} // namespace bench
