// Where miou reports what it must not throw.
#pragma once

#include "miou/unique_function.hpp"

#include <initializer_list>
#include <string_view>

/// A minimal log: the few things that miou cannot throw to anyone (a hook, a finaliser or a signal
/// handler that threw) are said here. OCaml: `Miou.Logs`.
namespace miou::logs {

/// From the gravest to the most talkative. OCaml: `Miou.Logs.level`, without `App`.
enum class level { error, warning, info, debug };

/// Takes one finished line, without a newline. Called from any thread, one call at a time.
using sink = unique_function<void(level, std::string_view)>;

/// Replaces the sink; an empty one restores the default, which writes to stderr what `MIOU_LOGS`
/// (`error`, `warning`, `info` or `debug`; `warning` by default) lets through. Any thread.
void set_sink(sink replacement);

/// Writes one line. Any thread. Never throws: a sink that throws loses its line.
void write(level at, std::string_view line) noexcept;
/// The same, of `pieces` in one line; when there is no memory for that, its first 1,024 characters.
void write(level at, std::initializer_list<std::string_view> pieces) noexcept;

} // namespace miou::logs
