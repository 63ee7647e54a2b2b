// Measuring in a separate process, so that no runtime finds the warm heap of another one.
#pragma once

#include <functional>
#include <vector>

namespace bench {

using figures = std::vector<double>;

/// Calls `measure` in a forked child, and returns what it returned. Throws `std::runtime_error` if
/// the child failed; an exception of `measure` has been reported on stderr.
figures in_child(const std::function<figures()>& measure);

} // namespace bench
