// Something to do when a scope is left, in whatever way.
#pragma once

namespace test {

/// Calls `fn` when it is destroyed; what `fn` throws ends the program.
template <class F>
struct at_end {
    F fn;
    ~at_end() { fn(); }
};
template <class F>
at_end(F) -> at_end<F>;

} // namespace test
