#include "miou/src/tree/cancellation.hpp"

#include "miou/detail/scope.hpp"
#include "miou/src/scheduler/scheduler.hpp"

#include <cassert>

namespace miou::detail {
namespace {

/// Returns false if `t` was cancelled before, and so was its subtree.
bool mark([[maybe_unused]] scheduler& here, task& t) noexcept {
    assert(here.is_here() && t.home == &here);
    if (t.cancelled)
        return false;
    t.cancelled = t.interrupted = true;
    interrupt(here, t);
    return true;
}

} // namespace

void request_cancel(scheduler& here, task& child) noexcept {
    if (child.ended)
        return;
    if (child.home == &here)
        cancel_subtree(here, child);
    else
        child.send_cancellation();
}

void cancel_subtree(scheduler& here, task& root) noexcept {
    // A task whose parent lives on the same domain is never mailed a cancellation. So its
    // `cancel_mail` is free to link it here.
    intrusive_queue pending;
    task* t = &root; // not linked: its mail may be on its way
    do {
        if (mark(here, *t))
            for (task& child : t->children) {
                if (child.ended || (child.shielded && is_shielded(*t)))
                    continue;
                if (child.home != &here)
                    child.send_cancellation();
                else if (!child.cancelled)
                    pending.push(static_cast<cancel_mail&>(child));
            }
        mail* const next = pending.pop();
        t = next != nullptr ? &static_cast<task&>(static_cast<cancel_mail&>(*next)) : nullptr;
    } while (t != nullptr);
}

void end_of_shield(scheduler& here) noexcept {
    task& self = here.running_task();
    // The children that were spawned in the section are the youngest.
    for (auto child = self.children.rbegin(); child != self.children.rend() && child->shielded;
         ++child) {
        child->shielded = false;
        if (self.cancelled)
            request_cancel(here, *child);
    }
}

} // namespace miou::detail
