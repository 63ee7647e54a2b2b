#include "miou/src/tree/children.hpp"

#include "miou/detail/orphanage.hpp"
#include "miou/detail/resource.hpp"
#include "miou/promise.hpp"
#include "miou/src/report/log_exception.hpp"
#include "miou/src/scheduler/scheduler.hpp"
#include "miou/src/tree/cancellation.hpp"

#include <algorithm>
#include <cassert>
#include <stdexcept>

namespace miou::detail {
namespace {

std::exception_ptr rule_1_broken_by(const scheduler& here, const task& parent,
                                    const task& child) noexcept {
    here.record<trace::still_has_children>(parent);
    try {
        return std::make_exception_ptr(still_has_children{"miou: " + parent.describe() +
                                                          " forgot its child " + child.describe() +
                                                          ": await it or cancel it"});
    } catch (...) {
        return std::current_exception();
    }
}

std::exception_ptr leak_of(const scheduler& here, const task& owner) noexcept {
    here.record<trace::resource_leaked>(owner);
    try {
        return std::make_exception_ptr(resource_leaked{
            "miou: " + owner.describe() + " finished without releasing a resource that it owns"});
    } catch (...) {
        return std::current_exception();
    }
}

/// The rule that a task which returned normally has broken, or null.
std::exception_ptr rule_broken_by(const scheduler& here, task& self) noexcept {
    if (self.resources)
        return leak_of(here, self);
    if (self.broke_rule)
        return std::exchange(self.error, nullptr);
    for (const task& child : self.children)
        if (!child.is_signal_handler)
            return rule_1_broken_by(here, self, child);
    return nullptr;
}

/// Cancels every child that is left, and waits for all. The running task must be shielded.
void unwind_children(scheduler& here, task& self) noexcept {
    assert(self.shields != 0 && &self == &here.running_task());
    for (task& child : self.children)
        request_cancel(here, child);
    self.waits_for_all = true;
    while (self.live_children != 0)
        here.park_on_children();
    self.waits_for_all = false;
    while (!self.children.empty())
        reap(here, self.children.front());
}

/// Repeats until nothing is left, because a finaliser may spawn and a child may transfer a
/// resource.
void unwind(scheduler& here, task& self) noexcept {
    do {
        unwind_children(here, self);
        finalise_resources(self);
    } while (self.resources || !self.children.empty());
}

bool has_left_something(const task& self) noexcept {
    return self.resources || !self.children.empty() || self.broke_rule;
}

/// Unwinds what the task has left behind. Keeps the first rule that it has broken.
[[gnu::noinline]] void settle(scheduler& here, task& self, std::exception_ptr& broken) noexcept {
    const bool is_forgiven = self.error && !self.broke_rule; // it has failed
    if (!is_forgiven)
        if (std::exception_ptr rule = rule_broken_by(here, self); !broken)
            broken = std::move(rule);
    self.broke_rule = false;
    unwind(here, self);
}

void run_function(const scheduler& here, task& self) noexcept {
    if (self.cancelled)
        self.error = here.cancellation();
    if (!self.error) // otherwise it was cancelled, or there was no stack for it
        self.invoke();
}

[[gnu::cold]] void report_spawn(const task& parent, const task& child) noexcept {
    const auto kind =
        child.home == parent.home ? trace::spawn_kind::async : trace::spawn_kind::parallel;
    report(trace::spawn{child.number(), parent.number(), child.home->uid(), kind});
    report(trace::spawn_location{child.number(), child.site_file, child.site_line});
}

void log_failure(const task& handler) noexcept {
    const auto fail = [&] {
        try {
            std::rethrow_exception(handler.error);
        } catch (const cancelled&) {
        }
    };
    call_and_log("the signal handler", fail, &handler);
}

} // namespace

void spawn(scheduler& here, task& parent, task& child, scheduler& home) noexcept {
    assert(here.is_here() && parent.home == &here);
    assert(child.home == nullptr && child.parent == nullptr);
    child.home = &home;
    child.parent = &parent;
    child.parent_identity = here.identity_of(parent);
    child.uid = here.next_uid();
    child.shielded = parent.shields != 0 || here.exceptions_in_flight() != 0;
    child.cancelled = child.interrupted = parent.cancelled && !child.shielded;
    child.enter_tree();
    parent.children.push_back(child);
    ++parent.live_children;
    if (here.is_traced())
        report_spawn(parent, child);
    if (&home == &here)
        here.push(child);
    else
        home.send(static_cast<run_mail&>(child));
}

void throw_unless_completed(const scheduler& here, bool by_cancel, bool completed) {
    // In a run that fails, ended children do not count as completed: they were torn down.
    if (by_cancel && (!completed || here.run_of().has_failed()))
        throw cancelled{};
}

void refuse_not_a_child(scheduler& here, const task& child, const char* caller) {
    here.record<trace::not_a_child>(here.running_task(), child);
    throw not_a_child{std::string{caller} + ": " + child.describe() + " is not a child of " +
                      here.running_task().describe()};
}

void await_child(scheduler& here, task& child) {
    if (child.ended)
        here.count_call();
    while (!child.ended) {
        here.throw_if_cancelled();
        child.watched = true;
        const bool by_cancel = here.park_on_children();
        child.watched = false;
        throw_unless_completed(here, by_cancel, child.ended);
    }
    reap(here, child);
}

void reap(scheduler& here, task& child) noexcept {
    assert(here.is_here());
    if (child.reaped)
        return;
    assert(child.ended);
    child.reaped = true;
    here.record<trace::clean>(child);
    task::sibling_list& siblings = child.parent->children;
    siblings.erase(siblings.iterator_to(child));
    child.leave_tree();
}

std::size_t await_any(scheduler& here, std::span<task* const> children) {
    if (children.empty())
        throw std::invalid_argument{"miou: there is nothing to await in an empty list"};
    here.count_call();
    for (;;) {
        std::size_t finished = 0;
        std::size_t succeeded = 0;
        for (const task* child : children) {
            finished += child->ended;
            succeeded += child->ended && !child->error;
        }
        if (finished != 0) {
            std::size_t skip = here.random().below(succeeded != 0 ? succeeded : finished);
            for (std::size_t i = 0;; ++i)
                if (children[i]->ended && (succeeded == 0 || !children[i]->error) && skip-- == 0)
                    return i;
        }
        here.throw_if_cancelled();
        for (task* child : children)
            child->watched = true;
        const bool by_cancel = here.park_on_children();
        for (task* child : children)
            child->watched = false;
        throw_unless_completed(
            here, by_cancel,
            std::ranges::any_of(children, [](const task* child) { return child->ended; }));
    }
}

void cancel_child(scheduler& here, task& child) {
    here.record<trace::cancel>(child);
    {
        const shield until_unwound{here.running_task()};
        request_cancel(here, child);
        await_child(here, child);
    }
    if (!child.error)
        child.drop_value();
    child.error = here.cancellation();
    child.state.store(promise_state::exited, memory_order_release);
    here.record<trace::cancelled>(child);
    here.throw_if_cancelled();
}

void release_handle(task& child) noexcept {
    scheduler* const here = scheduler::current_or_null();
    if (here != nullptr && is_child_of_running_task(*here, child) && child.has_one_handle() &&
        !child.reaped) {
        const bool unwinding = here->exceptions_in_flight();
        task& self = here->running_task();
        const shield until_unwound{self};
        if (!unwinding && !self.error) {
            self.error = rule_1_broken_by(*here, self, child);
            self.broke_rule = true;
        }
        request_cancel(*here, child);
        await_child(*here, child);
    }
    child.drop_handle();
}

void on_child_ended(scheduler& here, task& child) noexcept {
    task& parent = *child.parent;
    assert(here.is_here() && parent.home == &here);
    assert(!child.ended && child.context == nullptr && parent.live_children != 0);
    assert(child.state.load(memory_order_relaxed) != promise_state::running);
    child.ended = true;
    --parent.live_children;
    const bool in_awaited_orphans = child.orphans != nullptr && child.orphans->awaited;
    if (child.orphans != nullptr)
        child.orphans->on_child_ended(child);
    const bool awaited =
        child.watched || in_awaited_orphans || (parent.waits_for_all && parent.live_children == 0);
    if (child.is_signal_handler) {
        if (child.error)
            log_failure(child);
        reap(here, child);
    }
    if (here.run_of().has_failed()) [[unlikely]]
        cancel_subtree(here, parent); // before it is woken, so that it does not run on
    if (awaited && parent.parked == task::parking::on_children)
        here.unpark(parent);
}

void complete(scheduler& here, task& self) noexcept {
    run_function(here, self);
    self.finishing = true;
    assert(self.shields == 0 && self.scopes == nullptr && self.parked == task::parking::none);
    ++self.shields; // for good: what follows is clean-up

    std::exception_ptr broken;
    if (has_left_something(self)) [[unlikely]]
        settle(here, self, broken);
    // After the children, which may refer to what the function captured. The destructors of that
    // may use miou, so the rules are checked once more.
    self.drop_function();
    if (has_left_something(self)) [[unlikely]]
        settle(here, self, broken);
    if (broken) {
        self.drop_value();
        self.error = here.cancellation();
        here.run_of().fail(std::move(broken));
    }
    assert(self.children.empty() && self.live_children == 0 && !self.resources);
    assert(self.shields == 1 && self.scopes == nullptr && &self == &here.running_task());
    here.record<trace::run_end, trace::run_done>(self);

    self.context = nullptr;
    self.state.store(self.error ? promise_state::exited : promise_state::finished,
                     memory_order_release);
    if (self.parent == nullptr) {
        for (scheduler* domain : here.run_of().domains)
            domain->stop();
    } else if (scheduler& parents = *self.parent->home; &parents == &here) {
        on_child_ended(here, self);
    } else {
        run_mail& end = self;
        end.kind = mail_kind::finished;
        parents.send(end);
    }
}

} // namespace miou::detail
