// Measuring in a separate process, so that no runtime finds the warm heap of another one.
#pragma once

#include <functional>
#include <vector>

namespace bench {

using figures = std::vector<double>;

/// Calls `measure` in a forked child, and returns what it returned. If the child died, reports that
/// on stderr, and returns nothing.
figures in_child(const std::function<figures()>& measure);

} // namespace bench
