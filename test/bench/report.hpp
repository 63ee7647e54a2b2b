// The measurements as text.
#pragma once

#include "process.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

/// The repetitions of one row on each runtime, in the order of the columns. Empty if the runtime
/// cannot do it.
struct row {
    std::string name;
    std::vector<figures> measured;

    /// 0 if there are no repetitions.
    double median_of(std::size_t runtime) const;
    double ratio(std::size_t runtime, std::size_t to) const;
};

enum runtime : std::size_t { of_floor, of_miou, of_boost, of_untraced };

void print_table(const std::vector<row>& rows);
/// The gates whose works were measured.
void print_gates(const std::vector<row>& rows);
void print_growth(const std::vector<std::size_t>& tasks, const std::vector<row>& rows);

} // namespace bench
