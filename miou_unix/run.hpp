// Where a program with input and output begins.
#pragma once

#include "miou/config.hpp"
#include "miou/run.hpp"

#include <cstdint>
#include <optional>
#include <utility>

namespace miou_unix {

/// See `miou::run_options`.
struct run_options {
    std::optional<int> quanta = {};
    std::optional<int> poll = {};
    std::optional<std::uint64_t> g = {};
    std::optional<int> domains = {};
    bool unguarded = false;
    /// The largest number of threads for functions of `blocking`, and of other threads for
    /// `resolve`; 1 to 1,024. `MIOU_WORKERS`, or the number of hardware threads, at least 4.
    std::optional<int> workers = {};
};

namespace detail {
MIOU_API miou::run_options with_reactor(const run_options& chosen);
}

/// `miou::run` with Asio's reactor as the system of every domain. Each domain has an `io_context`,
/// which only its own thread runs. Throws what `miou::run` throws, `std::invalid_argument` also for
/// `.workers` and `MIOU_WORKERS`, and `boost::system::system_error` when the system has no
/// descriptors left for a reactor. OCaml: `Miou_unix.run`.
template <class F>
auto run(run_options options, F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) {
    return miou::run(detail::with_reactor(options), std::forward<F>(fn), site);
}
template <class F>
auto run(F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) {
    return run(run_options{}, std::forward<F>(fn), site);
}

} // namespace miou_unix
