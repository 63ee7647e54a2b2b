// Functions that run at every scheduling step of a domain.
#pragma once

#include "miou/config.hpp"
#include "miou/unique_function.hpp"

#include <memory>

namespace miou {
namespace detail {
struct hook_entry;
}

/// A handle on a hook. Destroying it leaves the hook in place until the run ends. OCaml:
/// `Miou.Hook.t`.
class MIOU_API hook {
public:
    /// Makes `fn` run at each scheduling step of the running task's domain, outside of any task. It
    /// may signal triggers, but not spawn, await or lock. Hooks run newest first. A hook that
    /// throws is removed, and its exception is logged. Throws `outside_of_task`. OCaml: `Hook.add`.
    static hook add(unique_function<void()> fn);

    /// Removes the hook: it does not run again. May be repeated, and called by a hook. Throws
    /// `std::invalid_argument` on another domain than that of `add`, and when this was moved from.
    /// OCaml: `Hook.remove`.
    void remove() const;

private:
    explicit hook(std::shared_ptr<detail::hook_entry> entry) noexcept
        : entry_{std::move(entry)} {}
    std::shared_ptr<detail::hook_entry> entry_;
};

} // namespace miou
