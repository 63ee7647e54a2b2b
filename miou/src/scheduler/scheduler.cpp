#include "miou/src/scheduler/scheduler.hpp"

#include "miou/src/report/log_exception.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace miou::detail {
namespace {

// Stacks beyond these give their memory back when the domain has nothing else to do.
constexpr std::size_t kept_idle_fibers = 512;

// In a row: then the system is given up.
constexpr unsigned most_failed_selects = 100;

// While tasks are ready: about a tenth of the shortest sleep that is of use.
constexpr std::chrono::steady_clock::duration longest_without_look = std::chrono::microseconds{100};

// About 20 us: less than the kernel takes to put a thread to sleep and to wake it again.
constexpr int spins_before_sleep = 400;

} // namespace

// --- Life ----------------------------------------------------------------------------------------

scheduler::scheduler(run_state& run, domain_uid uid)
    : run_{run}
    , uid_{uid}
    , poll_countdown_{run.settings.poll}
    , quanta_{run.settings.quanta}
    , loop_{thread_}
    , next_uid_{static_cast<std::uint64_t>(uid.to_int())}
    // Another stream for each domain: seeds are spread by the golden ratio.
    , random_{run.settings.seed + 0x9e3779b97f4a7c15u * next_uid_} {
    reserve_ = &make_fiber();
}

scheduler::~scheduler() {
    assert(nothing_ready() && stackless_.empty() && current_ == nullptr && !reserve_in_use_);
    while (idle_ != nullptr)
        fiber::destroy(*std::exchange(idle_, idle_->next_idle));
    fiber::destroy(*reserve_);
}

// --- The loop ------------------------------------------------------------------------------------

void scheduler::run() noexcept {
    while (!stopping_) {
        run_hooks();
        read_inbox();
        look_at_system();
        run_ready_tasks();
    }
}

void scheduler::run_hooks() noexcept {
    for (auto at = hooks_.begin(); at != hooks_.end();) {
        const std::shared_ptr<hook_entry> hook = *at; // a hook may remove itself
        if (!hook->removed)
            try {
                hook->fn();
            } catch (...) {
                hook->removed = true;
                log_exception("a hook");
            }
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

/// Steps are counted, since reading a clock costs as much as two of them. So many are counted that
/// they are likely to take no longer than `longest_without_look`, judged by those before.
void scheduler::plan_next_look() noexcept {
    const clock::time_point now = clock::now();
    const clock::duration taken = now - std::exchange(looked_at_, now);
    if (taken <= longest_without_look)
        steps_between_looks_ = std::min(run_.settings.poll, 2 * steps_between_looks_);
    else
        steps_between_looks_ = static_cast<std::uint32_t>(std::max<clock::rep>(
            1, steps_between_looks_ * longest_without_look.count() / taken.count()));
    poll_countdown_ = steps_between_looks_;
}

/// Without a system there is nothing to look at.
bool scheduler::poll_is_over() noexcept {
    look_at_tracing();
    if (has_system())
        return true;
    poll_countdown_ = run_.settings.poll;
    return false;
}

void scheduler::look_at_system() noexcept {
    look_at_tracing();
    if (poll_countdown_ == 0) {
        if (has_system())
            select(false);
        plan_next_look();
    }
    if (nothing_ready() && !stopping_) {
        trim_idle_fibers();
        sleep();
    }
}

void scheduler::run_ready_tasks() noexcept {
    task* const first = take();
    if (first == nullptr)
        return;
    if (fiber& context = fiber_of(*first); &context != &loop_) {
        loop_.switch_to(context);
        current_ = nullptr;
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
    // Who is cancelled by that may need the system once more, to unwind.
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
    if (run_.may_spin && woken_by_mail_ && spin_until_mail())
        return;
    if (!inbox_.try_sleep())
        return;
    if (has_system()) {
        select(true);
        looked_at_ = clock::now();
        poll_countdown_ = steps_between_looks_;
    } else {
        wake_token_.take();
    }
    woken_by_mail_ = read_inbox();
}

bool scheduler::spin_until_mail() const noexcept {
    for (int spins = 0; spins < spins_before_sleep; ++spins) {
        if (inbox_.has_mail())
            return true;
        cpu_relax();
    }
    return false;
}

void scheduler::send(mail& m) noexcept {
    // Another thread may end the run as soon as it has the mail: a guest keeps it from doing so.
    const bool guest = this_scheduler == nullptr || &this_scheduler->run_ != &run_;
    if (guest)
        run_.guests.fetch_add(1, memory_order_relaxed); // ordered by the push that follows
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
    if (guest)
        run.guests.fetch_sub(1, memory_order_release); // pairs with the wait in pool
}

// --- Switching -----------------------------------------------------------------------------------

std::exception_ptr scheduler::wait(signal_state& awaited) {
    task& self = current();
    assert(self.waiting_on == nullptr);
    switch (awaited.try_wait(self)) {
    case signal_state::wait_outcome::already_signaled:
        count_call();
        return nullptr;
    case signal_state::wait_outcome::already_awaited:
        throw std::invalid_argument{"miou: somebody awaits this already"};
    case signal_state::wait_outcome::waiting:
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

fiber& scheduler::fiber_for_new(task& t) noexcept {
    fiber* chosen = idle_;
    if (chosen != nullptr) {
        idle_ = chosen->next_idle;
        --idle_count_;
    } else {
        try {
            chosen = &make_fiber();
        } catch (...) {
            if (reserve_in_use_) { // by another task that fails
                stackless_.push(static_cast<run_mail&>(t));
                return loop_;
            }
            if (!shortage_)
                shortage_ = std::current_exception();
            t.error = shortage_;
            reserve_in_use_ = true;
            chosen = reserve_;
        }
    }
    assert(starting_ == nullptr && t.context == nullptr);
    starting_ = &t;
    return *chosen;
}

fiber& scheduler::make_fiber() {
    return fiber::create(stacks_.take(), thread_, &fiber_body, this, fibers_made_++);
}

/// A fiber runs one task after the other, and is idle in between.
void scheduler::fiber_body(fiber& self, void* of) {
    for (;;)
        self.park_idle(static_cast<scheduler*>(of)->run_new_tasks(self));
}

/// Runs the task that this fiber was switched to for, and the next ones for as long as they are
/// new, too: on the same stack, without a switch. Returns where to go then.
fiber& scheduler::run_new_tasks(fiber& self) noexcept {
    task* next = std::exchange(starting_, nullptr);
    assert(next != nullptr && &self == thread_.entered);
    do {
        assert(next->context == nullptr && next->scopes == nullptr);
        next->context = &self;
        next->budget = quanta_;
        fiber::reset_floating_point();
        current_ = next;
        record<trace::run_begin>(*next);
        complete(*this, *next);
        current_ = nullptr;
        next = &self == reserve_ || loop_is_due() ? nullptr : take();
    } while (next != nullptr && next->context == nullptr);
    keep_idle(self);
    return next ? *next->context : loop_;
}

void scheduler::keep_idle(fiber& finished) noexcept {
    if (mail* const waiting = stackless_.pop())
        ready_.push(*waiting);
    if (&finished == reserve_) {
        reserve_in_use_ = false;
        return;
    }
    finished.next_idle = idle_;
    idle_ = &finished;
    ++idle_count_;
}

void scheduler::trim_idle_fibers() noexcept {
    for (; idle_count_ > kept_idle_fibers; --idle_count_)
        stacks_.give_back(fiber::destroy(*std::exchange(idle_, idle_->next_idle)));
}

// --- Boot and shutdown, hooks --------------------------------------------------------------------

void scheduler::enter(unique_function<events(domain_uid)>& make_events) {
    overflows_.emplace(stacks_);
    entered_from_ = std::exchange(this_scheduler, this);
    look_at_tracing();
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
    read_inbox(); // cancellations that came too late hold references
    try {
        if (events_.finaliser)
            events_.finaliser();
    } catch (...) {
        log_exception("events.finaliser");
    }
    events_ = {};
    this_scheduler = entered_from_;
    overflows_.reset();
}

void scheduler::refuse_outside_of_task(const char* caller) {
    throw outside_of_task{std::string{caller} + " was called outside of a task of miou::run"};
}

std::shared_ptr<hook_entry> scheduler::add_hook(unique_function<void()> fn) {
    auto made = std::make_shared<hook_entry>(std::move(fn), this);
    hooks_.push_front(made);
    hooked_ = true;
    return made;
}

} // namespace miou::detail
