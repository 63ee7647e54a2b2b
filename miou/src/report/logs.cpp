#include "miou/logs.hpp"

#include "miou/src/report/fixed_line.hpp"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

namespace miou::logs {
namespace {

struct state {
    std::mutex guard;
    sink replacement;
};

state& shared() {
    static auto* const forever = new state; // tasks may log while statics are being destroyed
    return *forever;
}

level threshold_from_environment() noexcept {
    const char* value = std::getenv("MIOU_LOGS");
    const std::string_view name = value ? value : "";
    if (name == "error")
        return level::error;
    if (name == "info")
        return level::info;
    if (name == "debug")
        return level::debug;
    return level::warning;
}

} // namespace

void set_sink(sink replacement) {
    const std::scoped_lock lock{shared().guard};
    shared().replacement = std::move(replacement);
}

void write(level at, std::string_view line) noexcept try {
    static const level threshold = threshold_from_environment();
    const std::scoped_lock lock{shared().guard};
    if (shared().replacement)
        shared().replacement(at, line);
    else if (at <= threshold)
        std::fprintf(stderr, "miou: %.*s\n", static_cast<int>(line.size()), line.data());
} catch (...) {
}

void write(level at, std::initializer_list<std::string_view> pieces) noexcept {
    try {
        std::string line;
        for (const std::string_view each : pieces)
            line += each;
        return write(at, line);
    } catch (...) {
    }
    detail::fixed_line line;
    for (const std::string_view each : pieces)
        line.add(each);
    write(at, line.text());
}

} // namespace miou::logs
