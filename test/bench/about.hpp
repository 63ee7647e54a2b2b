// What the figures depend on.
#pragma once

#include "options.hpp"

#include <string>
#include <utility>
#include <vector>

namespace bench {

std::vector<std::pair<std::string, std::string>> about(const options& chosen);

} // namespace bench
