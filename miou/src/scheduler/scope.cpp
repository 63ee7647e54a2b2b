#include "miou/detail/scope.hpp"

#include "miou/detail/wait_list.hpp"
#include "miou/src/scheduler/scheduler.hpp"

#include <cassert>
#include <stdexcept>
#include <string>

namespace miou::detail {
namespace {

/// For a task that does not run.
unsigned exceptions_in_flight(const task& t) noexcept {
    return t.context != nullptr ? t.context->exceptions_in_flight() : 0;
}

/// Whether the cancellation of `t`, or of a scope from `innermost` outwards, is due while
/// `exceptions` are in flight.
bool is_due(const task& t, const scope* innermost, unsigned exceptions) noexcept {
    if (t.cancelled && t.shields == 0 && exceptions == 0)
        return true;
    for (const scope* each = innermost; each != nullptr; each = each->outer)
        if (each->cancelled && t.shields <= each->shields && exceptions <= each->exceptions)
            return true;
    return false;
}

/// Ends the wait of `t`, which is parked. Returns false if its wake-up is on the way.
bool withdraw(task& t) noexcept {
    switch (t.parked) {
    case task::parking::none:
        break;
    case task::parking::on_children:
        return true;
    case task::parking::on_signal:
        return t.waiting_on->withdraw(t);
    case task::parking::in_list:
        return t.waiting_as->list->withdraw(*t.waiting_as);
    }
    assert(false);
    return false;
}

} // namespace

void interrupt(scheduler& here, task& t) noexcept {
    // A task that is queued, runs, or has not started, will notice by itself.
    if (t.parked != task::parking::none && is_due(t, t.scopes, exceptions_in_flight(t)) &&
        withdraw(t))
        here.push_cancelled(t);
}

bool is_shielded(const task& t) noexcept {
    return t.shields != 0 || exceptions_in_flight(t) != 0;
}

bool is_due(const scheduler& here) noexcept {
    return is_due(here.running_task(), here.running_task().scopes, here.exceptions_in_flight());
}

void open(scope& s, const char* caller) {
    scheduler& here = scheduler::current(caller);
    if (s.of != nullptr)
        throw std::invalid_argument{std::string{caller} + ": a scope is used once"};
    task& self = here.running_task();
    s.of = &self;
    s.exceptions = here.exceptions_in_flight();
    s.shields = self.shields;
    s.outer = std::exchange(self.scopes, &s);
    s.is_open = true;
}

void close(scope& s) noexcept {
    task& self = *s.of;
    assert(&self == &self.home->running_task());
    assert(s.is_open && self.scopes == &s && self.shields == s.shields);
    s.is_open = false;
    self.scopes = s.outer;
    if (!s.cancelled)
        return;
    self.interrupted = self.cancelled;
    for (const scope* each = self.scopes; each != nullptr; each = each->outer)
        self.interrupted |= each->cancelled;
}

void cancel(scope& s) noexcept {
    assert(s.is_open && s.of->home->is_here());
    s.cancelled = true;
    s.of->interrupted = true;
    interrupt(*s.of->home, *s.of);
}

bool is_cause(const scope& s) noexcept {
    return s.cancelled && !is_due(*s.of, s.outer, s.of->home->exceptions_in_flight());
}

} // namespace miou::detail
