#include "miou/src/scheduler/scheduler.hpp"

#include "miou/detail/wait_list.hpp"
#include "miou/src/report/copies.hpp"
#include "miou/src/report/log_exception.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include <sched.h>

namespace miou::detail {
namespace {

// After so many failures in a row the system is not asked again.
constexpr unsigned most_failed_selects = 100;

// While tasks are ready. About a tenth of the shortest useful sleep.
constexpr std::chrono::steady_clock::duration longest_between_polls =
    std::chrono::microseconds{100};

// About 20 us: less than the kernel takes to put a thread to sleep and to wake it again.
constexpr int spins_before_sleep = 400;
constexpr int yields_before_sleep = 4;

} // namespace

// --- Life ----------------------------------------------------------------------------------------

scheduler::scheduler(run_state& run, domain_uid uid)
    : run_{run}
    , uid_{uid}
    , poll_countdown_{run.settings.poll}
    , quanta_{run.settings.quanta}
    , loop_{thread_}
    , fibers_{thread_, run.settings.guards, &fiber_body, this}
    , next_uid_{static_cast<std::uint64_t>(uid.to_int())}
    // A stream of its own for each domain: the golden ratio spreads the seeds.
    , random_{run.settings.seed + 0x9e3779b97f4a7c15u * next_uid_}
    , steps_between_polls_{run.settings.poll} {}

scheduler::~scheduler() {
    assert(nothing_ready() && running_ == nullptr);
    run_.note_task_numbers(next_uid_);
}

// --- The loop ------------------------------------------------------------------------------------

void scheduler::run() noexcept {
    while (!stopping_) {
        run_hooks();
        read_inbox();
        refresh_tracing();
        if (poll_countdown_ == 0)
            poll();
        if (nothing_ready() && !stopping_)
            sleep();
        run_ready_tasks();
    }
}

void scheduler::run_hooks() noexcept {
    for (auto at = hooks_.begin(); at != hooks_.end();) {
        const std::shared_ptr<hook_entry> hook = *at; // a hook may remove itself
        if (!hook->removed && !call_and_log("a hook", hook->fn))
            hook->removed = true;
        at = hook->removed ? hooks_.erase(at) : std::next(at);
    }
    hooked_ = !hooks_.empty();
}

bool scheduler::read_inbox() noexcept {
    if (!inbox_.has_mail())
        return false;
    mail* m = inbox_.take_all();
    const bool any = m != nullptr;
    while (m != nullptr)
        deliver(*this, *std::exchange(m, m->next));
    return any;
}

/// Steps are counted between two polls, because reading a clock costs as much as two steps. Their
/// number is chosen so that they are likely to take no longer than `longest_between_polls`, judged
/// by the last ones.
void scheduler::poll() noexcept {
    select(false);
    const clock::time_point now = clock::now();
    const clock::duration taken = now - std::exchange(last_poll_, now);
    if (taken <= longest_between_polls)
        steps_between_polls_ = std::min(run_.settings.poll, 2 * steps_between_polls_);
    else
        steps_between_polls_ = static_cast<std::uint32_t>(std::max<clock::rep>(
            1, steps_between_polls_ * longest_between_polls.count() / taken.count()));
    restart_countdown();
}

/// Without a system there is nothing to poll.
bool scheduler::poll_is_due() noexcept {
    if (has_system())
        return true;
    refresh_tracing();
    restart_countdown();
    return false;
}

void scheduler::run_ready_tasks() noexcept {
    task* const first = take();
    if (first == nullptr)
        return;
    if (fiber& context = fiber_of(*first); &context != &loop_) {
        loop_.switch_to(context);
        running_ = nullptr;
    }
}

void scheduler::select(bool block) noexcept try {
    const std::vector<signal> resumed = events_.select(block, cancelled_syscalls_);
    cancelled_syscalls_.clear();
    for (const signal& each : resumed)
        each.point().state.signal();
    failed_selects_ = 0;
} catch (...) {
    run_.fail(std::current_exception());
    // The tasks that this cancels may still need the system to unwind.
    if (++failed_selects_ == most_failed_selects)
        events_.select = nullptr;
}

scheduler::suspended::suspended(scheduler& in)
    : here_{in} {
    std::vector<syscall_uid>& cancelled = in.cancelled_syscalls_;
    const std::size_t most = cancelled.size() + in.suspended_ + 1;
    if (cancelled.capacity() < most)
        cancelled.reserve(2 * most);
    ++in.suspended_;
}

void scheduler::sleep() noexcept {
    fibers_.trim();
    if (woken_by_mail_ && spin_until_mail())
        return;
    if (!inbox_.try_sleep())
        return;
    if (has_system()) {
        select(true);
        last_poll_ = clock::time_point::max(); // no clock is read: what follows counts as short
        restart_countdown();
    } else {
        wake_token_.take();
    }
    woken_by_mail_ = read_inbox();
}

/// If whoever sends may have no processor, lets it have this one.
bool scheduler::spin_until_mail() const noexcept {
    for (int left = run_.may_spin ? spins_before_sleep : yields_before_sleep; left != 0; --left) {
        if (inbox_.has_mail())
            return true;
        if (run_.may_spin)
            spin_pause();
        else
            ::sched_yield();
    }
    return false;
}

void scheduler::send(mail& m) noexcept {
    // The run may end as soon as the mail is pushed, while this thread is still here. So a thread
    // that is not of the run is counted, and the run waits for it.
    const bool foreign = this_scheduler == nullptr || &this_scheduler->run_ != &run_;
    if (foreign)
        run_.foreign_senders.fetch_add(1, memory_order_relaxed); // ordered by the push that follows
    run_state& run = run_;
    if (inbox_.push(m)) {
        wake_token_.give();
        try {
            if (events_.interrupt)
                events_.interrupt();
        } catch (...) {
            run.fail(std::current_exception());
        }
    }
    if (foreign)
        run.foreign_senders.fetch_sub(1,
                                      memory_order_release); // pairs with the wait in domains.cpp
}

// --- Switching -----------------------------------------------------------------------------------

std::exception_ptr scheduler::wait(trigger_state& awaited) {
    task& self = running_task();
    assert(self.parked == task::parking::none);
    switch (awaited.try_wait(self)) {
    case trigger_state::wait_outcome::already_signaled:
        count_call();
        return nullptr;
    case trigger_state::wait_outcome::already_awaited:
        throw std::invalid_argument{"miou: somebody awaits this already"};
    case trigger_state::wait_outcome::waiting:
        break;
    }
    if (cancellation_due() && awaited.withdraw(self)) {
        reschedule();
        return cancellation();
    }
    self.waiting_on = &awaited;
    const bool by_cancel = park(task::parking::on_signal);
    self.waiting_on = nullptr;
    return by_cancel ? cancellation() : nullptr;
}

bool scheduler::wait(waiter& w) noexcept {
    task& self = running_task();
    assert(w.party == &self && w.list != nullptr && self.parked == task::parking::none);
    if (cancellation_due() && w.list->withdraw(w)) {
        reschedule();
        return false;
    }
    self.waiting_as = &w;
    const bool by_cancel = park(task::parking::in_list);
    self.waiting_as = nullptr;
    return !by_cancel;
}

void scheduler::budget_used_up() noexcept {
    reschedule();
}

void scheduler::push_cancelled(task& t) noexcept {
    assert(is_here() && t.home == this && t.parked != task::parking::none && t.interrupted);
    t.parked = task::parking::none;
    t.woken_by_cancel = true;
    record<trace::resume>(t);
    urgent_.push(static_cast<run_mail&>(t));
}

mail* scheduler::take_in_turns() noexcept {
    const bool take_urgent = urgent_is_next_ || ready_.empty();
    urgent_is_next_ = !take_urgent;
    mail* const taken = (take_urgent ? urgent_ : ready_).pop();
    prefetch_ahead(urgent_);
    return taken;
}

fiber& scheduler::fiber_for_new(task& t) noexcept {
    assert(starting_ == nullptr && t.context == nullptr);
    fiber* const chosen = fibers_.take(t);
    if (chosen == nullptr)
        return loop_;
    starting_ = &t;
    return *chosen;
}

/// A fiber runs one task after another, and is idle in between.
void scheduler::fiber_body(fiber& self, void* of) {
    for (;;)
        self.park_idle(static_cast<scheduler*>(of)->run_new_tasks(self));
}

/// Runs the new task that this fiber was chosen for. As long as the next task in the queue is new
/// too, runs it on the same stack, without a switch. Returns the fiber to switch to then.
fiber& scheduler::run_new_tasks(fiber& self) noexcept {
    task* next = std::exchange(starting_, nullptr);
    assert(next != nullptr && &self == thread_.entered);
    do {
        assert(next->context == nullptr && next->scopes == nullptr);
        next->context = &self;
        budget_ = quanta_;
        fiber::reset_floating_point();
        running_ = next;
        record<trace::run_begin>(*next);
        complete(*this, *next);
        running_ = nullptr;
        next = fibers_.is_reserve(self) || loop_is_due() ? nullptr : take();
    } while (next != nullptr && next->context == nullptr);
    if (run_mail* const waited = fibers_.give_back(self)) [[unlikely]]
        ready_.push(*waited);
    return next ? *next->context : loop_;
}

// --- Boot and shutdown, hooks --------------------------------------------------------------------

void scheduler::enter(unique_function<events(domain_uid)>& make_events) {
    overflows_.emplace(fibers_.stacks());
    entered_from_ = std::exchange(this_scheduler, this);
    refresh_tracing();
    try {
        if (make_events)
            events_ = make_events(uid_);
    } catch (...) {
        this_scheduler = entered_from_;
        overflows_.reset();
        throw;
    }
}

void scheduler::leave() noexcept {
    read_inbox(); // cancellations that came too late still hold references
    if (events_.finaliser)
        call_and_log("events.finaliser", events_.finaliser);
    events_ = {};
    this_scheduler = entered_from_;
    overflows_.reset();
}

void scheduler::refuse_outside_of_task(const char* caller) {
    throw outside_of_task{std::string{caller} + " was called outside of a task of miou::run" +
                          hint_at_copies()};
}

std::shared_ptr<hook_entry> scheduler::add_hook(unique_function<void()> fn) {
    auto made = std::make_shared<hook_entry>(std::move(fn), this);
    hooks_.push_front(made);
    hooked_ = true;
    return made;
}

} // namespace miou::detail
