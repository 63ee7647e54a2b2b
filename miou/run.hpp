// Where every program of miou begins.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/typed_task.hpp"
#include "miou/events.hpp"

#include <cstdint>
#include <optional>

namespace miou {

/// The settings of a run. A setting that is left out comes from the environment, or else has a
/// default value.
struct run_options {
    /// How many calls without parking (a read that finds data, for example) a task may make before
    /// it must let others run; at least 1. `MIOU_QUANTA`, or 32.
    std::optional<int> quanta = {};
    /// The largest number of steps of tasks between two polls of a domain's system; at least 1.
    /// `MIOU_POLL`, or 64. When the steps take long, the domain polls more often, about every 100
    /// us.
    std::optional<int> poll = {};
    /// Seeds every random choice: a run with 0 domains is reproducible. Fresh by default.
    std::optional<std::uint64_t> g = {};
    /// How many domains (threads) run beside dom0, 0 to 1023. `MIOU_DOMAINS`, or the number of
    /// hardware threads minus one.
    std::optional<int> domains = {};
    /// Whether a task for which the system allows no further guard page runs without one, instead
    /// of failing with `no_stack`. If it overflows its stack, it overwrites the stack of another
    /// task, and nothing reports that. Only kernels before Linux 6.13 limit the number of guard
    /// pages, to about 30,000; to raise `vm.max_map_count`, three for each task, is better.
    bool unguarded = false;
    /// Makes the system of each domain, on its thread; not called concurrently.
    unique_function<miou::events(domain_uid)> events = {};
};

namespace detail {

/// Starts the domains, runs `root` to its end, and tears everything down. Throws what `run_domains`
/// throws, and `std::invalid_argument` for options and environment variables out of range.
MIOU_API void run_root(run_options options, task& root);

} // namespace detail

/// Runs `fn` as the root task on dom0, which is the calling thread. Returns the value of `fn`, or
/// throws its exception. If a rule was broken, throws that error instead. When it returns or
/// throws, every task has been unwound, every thread joined and every finaliser run.
///
/// May be called again, on any thread, and inside a task, whose domain it blocks meanwhile. Throws
/// `std::invalid_argument` for an option or an environment variable (`MIOU_DOMAINS`, `MIOU_QUANTA`,
/// `MIOU_POLL`, `MIOU_MPROTECT`) that is malformed or out of range, `std::system_error` when a
/// thread cannot be started, and `std::runtime_error` when the program has a shadow stack (x86-64).
/// With `MIOU_MPROTECT=1` guard pages are made as on kernels before Linux 6.13. OCaml: `Miou.run`.
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
