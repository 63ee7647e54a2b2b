// Whether the cost of an operation of miou depends on the number of tasks, or of domains.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace bench {

struct growing_operation {
    std::string name;
    /// Nanoseconds for each task, with `count` of what grows.
    std::function<double(std::size_t count)> measure;
};

struct growth {
    std::string title;
    std::vector<std::size_t> counts;
    std::vector<growing_operation> operations;
};

growth growth_of_tasks(std::size_t up_to);
growth growth_of_domains(std::size_t up_to);

} // namespace bench
