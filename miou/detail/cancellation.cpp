#include "miou/detail/cancellation.hpp"

#include "miou/detail/scheduler.hpp"

namespace miou::detail {
namespace {

/// Of a task that does not run: a cancellation must not wake it.
bool left_shielded(const task& t) noexcept {
    return t.shields != 0 || (t.context != nullptr && t.context->exceptions_in_flight() != 0);
}

/// False: it had been cancelled before, and so had its subtree.
bool mark(scheduler& here, task& t) noexcept {
    if (t.cancelled)
        return false;
    t.cancelled = true;
    if (left_shielded(t))
        return true;
    switch (t.parked) {
    case task::parking::none: // in a run queue, running, or not started: it will see the mark
        break;
    case task::parking::on_children:
        here.push_cancelled(t);
        break;
    case task::parking::on_signal:
        if (t.waiting_on->withdraw(t)) // otherwise the wake-up is on its way
            here.push_cancelled(t);
        break;
    }
    return true;
}

void send_cancellation(task& child) noexcept {
    if (child.cancel_sent)
        return;
    child.cancel_sent = true;
    child.send_cancellation();
    child.home->send(static_cast<cancel_mail&>(child));
}

} // namespace

void request_cancel(scheduler& here, task& child) noexcept {
    if (child.collected)
        return;
    if (child.home == &here)
        cancel_subtree(here, child);
    else
        send_cancellation(child);
}

void cancel_subtree(scheduler& here, task& root) noexcept {
    // A task whose parent lives on its own domain is never sent a cancellation, so its mail is free
    // to link it here.
    mail_queue pending;
    pending.push(static_cast<cancel_mail&>(root));
    while (mail* const m = pending.pop()) {
        task& t = static_cast<task&>(static_cast<cancel_mail&>(*m));
        if (!mark(here, t))
            continue;
        for (task& child : t.children) {
            if (child.collected || (child.shielded && left_shielded(t)))
                continue;
            if (child.home != &here)
                send_cancellation(child);
            else if (!child.cancelled)
                pending.push(static_cast<cancel_mail&>(child));
        }
    }
}

void end_of_shield(scheduler& here) noexcept {
    task& self = here.current();
    // The children of the section are the youngest ones.
    for (auto child = self.children.rbegin(); child != self.children.rend() && child->shielded;
         ++child) {
        child->shielded = false;
        if (self.cancelled)
            request_cancel(here, *child);
    }
}

} // namespace miou::detail
