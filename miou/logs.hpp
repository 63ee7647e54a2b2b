// Where miou reports errors that it cannot throw.
#pragma once

#include "miou/config.hpp"
#include "miou/unique_function.hpp"

#include <initializer_list>
#include <string_view>

/// A minimal log, for the few errors that miou cannot throw to anyone: those of a hook, a finaliser
/// or a signal handler. OCaml: `Miou.Logs`.
namespace miou::logs {

/// From the most severe to the most verbose. OCaml: `Miou.Logs.level`, without `App`.
enum class level { error, warning, info, debug };

/// Takes one finished line, without a newline. Called from any thread, one call at a time.
using sink = unique_function<void(level, std::string_view)>;

/// Replaces the sink. An empty one restores the default, which writes to stderr the lines up to the
/// level `MIOU_LOGS` (`error`, `warning`, `info` or `debug`; `warning` by default). Any thread.
MIOU_API void set_sink(sink replacement);

/// Writes one line. Any thread. Never throws: a sink that throws loses its line.
MIOU_API void write(level at, std::string_view line) noexcept;
/// The same for one line made of `pieces`. If there is no memory for it, writes its first 1,024
/// characters.
MIOU_API void write(level at, std::initializer_list<std::string_view> pieces) noexcept;

} // namespace miou::logs
