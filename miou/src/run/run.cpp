#include "miou/run.hpp"

#include "miou/src/run/domains.hpp"
#include "miou/src/scheduler/random.hpp"

#include <charconv>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

namespace miou::detail {
namespace {

struct range {
    int least;
    int most;
};
constexpr range quanta_range{1, 1'000'000'000};
constexpr range poll_range{1, 1'000'000'000};
constexpr range domains_range{0, 1023};

constexpr int default_quanta = 32;
// A poll costs about as much as thirty switches; see docs/design/system.md.
constexpr int default_poll = 64;

[[noreturn]] void refuse(std::string_view name, std::string_view value, range allowed) {
    throw std::invalid_argument{"miou::run: " + std::string{name} + " is \"" + std::string{value} +
                                "\", not a number from " + std::to_string(allowed.least) + " to " +
                                std::to_string(allowed.most)};
}

int in_range(std::string_view name, int value, range allowed) {
    if (value < allowed.least || value > allowed.most)
        refuse(name, std::to_string(value), allowed);
    return value;
}

/// The option, or the environment's value, or the default. A bad environment is an error even if
/// an option overrides it.
int setting(std::optional<int> option, std::string_view option_name, const char* variable,
            int fallback, range allowed) {
    if (const char* text = std::getenv(variable)) {
        const std::string_view value = text;
        const char* const end = value.data() + value.size();
        const auto [parsed_to, error] = std::from_chars(value.data(), end, fallback);
        if (error != std::errc{} || parsed_to != end || fallback < allowed.least ||
            fallback > allowed.most)
            refuse(variable, value, allowed);
    }
    return option ? in_range(option_name, *option, allowed) : fallback;
}

int default_domains() {
    const unsigned processors = std::thread::hardware_concurrency();
    return processors > 1 ? static_cast<int>(processors) - 1 : 0;
}

} // namespace

void run_root(run_options options, task& root) {
    run_settings settings{};
    settings.quanta = static_cast<std::uint32_t>(
        setting(options.quanta, ".quanta", "MIOU_QUANTA", default_quanta, quanta_range));
    settings.poll = static_cast<std::uint32_t>(
        setting(options.poll, ".poll", "MIOU_POLL", default_poll, poll_range));
    settings.domains = static_cast<unsigned>(
        setting(options.domains, ".domains", "MIOU_DOMAINS", default_domains(), domains_range));
    settings.seed = options.g ? *options.g : random_stream::fresh_seed();
    run_domains(settings, std::move(options.events), root);
}

} // namespace miou::detail
