#include "miou/setting.hpp"

#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace miou::detail {
namespace {

unsigned parse(const setting& of, std::string_view name, std::string_view text) {
    unsigned value = 0;
    const char* const end = text.data() + text.size();
    const auto [parsed_to, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || parsed_to != end || value < of.least || value > of.most)
        throw std::invalid_argument{std::string{of.caller} + ": " + std::string{name} + " is \"" +
                                    std::string{text} + "\", not a number from " +
                                    std::to_string(of.least) + " to " + std::to_string(of.most)};
    return value;
}

} // namespace

unsigned setting::value(std::optional<int> chosen, unsigned fallback) const {
    if (const char* const text = std::getenv(variable))
        fallback = parse(*this, variable, text);
    return chosen ? parse(*this, option, std::to_string(*chosen)) : fallback;
}

} // namespace miou::detail
