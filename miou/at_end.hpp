// Runs a function when a scope is left, however that happens.
#pragma once

#include "miou/config.hpp"

#include <utility>

namespace miou {

/// Calls `fn`, which must not throw, in its destructor. No OCaml counterpart.
///
///     const miou::at_end close{[&] { ::close(fd); }};
template <class F>
class [[nodiscard]] at_end {
public:
    explicit at_end(F fn) noexcept
        : fn_{std::move(fn)} {}
    ~at_end() { fn_(); }
    at_end(const at_end&) = delete;
    at_end& operator=(const at_end&) = delete;

private:
    F fn_;
};

} // namespace miou
