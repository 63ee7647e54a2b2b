#include "miou/uid.hpp"

#include <ostream>

namespace miou::detail {

std::ostream& print(std::ostream& out, int number) {
    return out << number;
}

std::ostream& print(std::ostream& out, std::uint64_t number) {
    return out << number;
}

} // namespace miou::detail
