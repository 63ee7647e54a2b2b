// Where every program of miou begins.
#pragma once

#include "miou/detail/typed_task.hpp"
#include "miou/events.hpp"

#include <cstdint>
#include <optional>

namespace miou {

/// The settings of a run; what is left out is taken from the environment, then by default.
struct run_options {
    /// How many calls that did not have to park (a read that finds data, say) a task may make
    /// before it must let others run; at least 1. `MIOU_QUANTA`, or 32.
    std::optional<int> quanta = {};
    /// How many steps of tasks a domain makes at most between two polls of its system; at least 1.
    /// `MIOU_POLL`, or 64. While the steps take long it polls more often, about every 100 us.
    std::optional<int> poll = {};
    /// Seeds every random choice: a run with 0 domains is reproducible. Fresh by default.
    std::optional<std::uint64_t> g = {};
    /// How many domains (threads) run beside dom0, 0 to 1023. `MIOU_DOMAINS`, or the number of
    /// hardware threads minus one.
    std::optional<int> domains = {};
    /// Makes the system of each domain, on its thread; not called concurrently.
    unique_function<miou::events(domain_uid)> events = {};
};

namespace detail {

/// Boots, runs `root` to its end and tears down; see run_domains for what it throws, and
/// `std::invalid_argument` for options and environment variables out of range.
void run_root(run_options options, task& root);

} // namespace detail

/// Runs `fn` as the root task on dom0, which is the calling thread, and returns its value or throws
/// what it threw. When it returns or throws, every task has been unwound, every thread joined and
/// every finaliser run, also after a broken rule, which it throws in preference.
///
/// May be called again, from any thread, and from inside a task, whose domain it then blocks.
/// Throws `std::invalid_argument` for an option or an environment variable (`MIOU_DOMAINS`,
/// `MIOU_QUANTA`, `MIOU_POLL`) that is malformed or out of range, and `std::system_error` when a
/// thread cannot be started. OCaml: `Miou.run`.
template <class F>
auto run(run_options options, F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION)
    -> detail::result_of<F> {
    using R = detail::result_of<F>;
    const detail::handle<R> root{detail::make_task(std::forward<F>(fn), site)};
    detail::run_root(std::move(options), *root);
    return root->take().value();
}

/// `run` with the default options.
template <class F>
auto run(F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) -> detail::result_of<F> {
    return run(run_options{}, std::forward<F>(fn), site);
}

} // namespace miou
