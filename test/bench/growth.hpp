// Whether the cost of an operation of miou depends on the number of tasks.
#pragma once

#include "process.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace bench {

struct growing_operation {
    std::string name;
    /// Nanoseconds for each task, when there are `tasks` of them.
    std::function<double(std::size_t tasks)> measure;
};

const std::vector<growing_operation>& growing_operations();

} // namespace bench
