// Measuring in a process of its own, so that runtimes find neither warm heaps nor each other's.
#pragma once

#include <functional>
#include <vector>

namespace bench {

using figures = std::vector<double>;

/// Calls `measure` in a forked child and returns what it returned. Empty when the child died, which
/// is reported on stderr.
figures in_child(const std::function<figures()>& measure);

} // namespace bench
