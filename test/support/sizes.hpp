// Sizes of memory.
#pragma once

#include <cstddef>

namespace test {

constexpr std::size_t kib = 1024;

} // namespace test
