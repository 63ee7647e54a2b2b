// Whether the operations of miou cost the same whatever the number of tasks.
#pragma once

#include "process.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace bench {

struct growing_operation {
    std::string name;
    /// Nanoseconds for each of so many tasks.
    std::function<double(std::size_t tasks)> measure;
};

const std::vector<growing_operation>& growing_operations();

} // namespace bench
