// One domain: its run queue, its loop, its fibers.
#pragma once

#include "miou/at_end.hpp"
#include "miou/detail/identity.hpp"
#include "miou/detail/inbox.hpp"
#include "miou/detail/scope.hpp"
#include "miou/detail/task.hpp"
#include "miou/domain_key.hpp"
#include "miou/errors.hpp"
#include "miou/events.hpp"
#include "miou/prefetch.hpp"
#include "miou/src/fiber/fiber.hpp"
#include "miou/src/scheduler/block_pool.hpp"
#include "miou/src/scheduler/fiber_supply.hpp"
#include "miou/src/scheduler/overflow_report.hpp"
#include "miou/src/scheduler/random.hpp"
#include "miou/src/scheduler/run_state.hpp"
#include "miou/src/scheduler/tracing.hpp"
#include "miou/src/scheduler/wake_token.hpp"

#include <cassert>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace miou::detail {

// Defined on higher floors.
/// Acts on a mail that was sent to `here`.
void deliver(scheduler& here, mail& m) noexcept;
/// Runs a task on its fiber from beginning to end: its function, the checks of the rules, the
/// unwinding of its subtree, its finalisers, and the message to its parent.
void complete(scheduler& here, task& self) noexcept;

struct hook_entry {
    unique_function<void()> fn;
    scheduler* home;
    bool removed = false; // unlinked at the next step
};

/// The scheduler of one domain. Only the domain's own thread uses it, except where "any thread" or
/// "any domain" is written.
///
/// Fibers switch to each other directly: a task that parks takes the next one from the run queue
/// and switches to its fiber. Control returns to `run`, the loop on the thread's own stack, only
/// when the queue is empty or something else is due (mail, hooks, a poll of the system).
class scheduler {
    using clock = std::chrono::steady_clock;

public:
    /// On the domain's own thread.
    scheduler(run_state& run, domain_uid uid);
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;
    ~scheduler();

    // --- Any thread -----------------------------------------------------------------------------

    /// Sends `m` to this domain, and wakes it if it sleeps. The run must last until this call:
    /// because the caller belongs to it, or because one of its tasks still waits for `m`.
    void send(mail& m) noexcept;

    /// Tells dom0 that a POSIX signal is pending.
    void notify_of_signals() noexcept {
        if (!signals_mailed_.exchange(true, memory_order_acq_rel))
            send(signals_mail_);
    }
    /// Whether the calling thread runs this scheduler, or a run that is nested in one of its tasks.
    bool is_of_this_thread() const noexcept {
        const scheduler* each = this_scheduler;
        while (each != nullptr && each != this)
            each = each->entered_from_;
        return each != nullptr;
    }
    domain_uid uid() const noexcept { return uid_; }
    run_state& run_of() const noexcept { return run_; }

    // --- The domain's thread, around its tasks ---------------------------------------------------

    /// Becomes the calling thread's scheduler, and makes its events. Throws what `make_events`
    /// throws.
    void enter(unique_function<events(domain_uid)>& make_events);
    /// The loop. Returns when `stop` was called.
    void run() noexcept;
    /// Any domain of the run; once.
    void stop() noexcept { send(stop_mail_); }
    /// Called when the mail of `stop` has come.
    void leave_loop() noexcept { stopping_ = true; }
    /// Called when the mail of `notify_of_signals` has come.
    void take_signals_mail() noexcept { signals_mailed_.store(false, memory_order_release); }
    /// Runs the finaliser of the events and gives the thread back.
    void leave() noexcept;

    // --- The domain's thread, in a task ----------------------------------------------------------

    /// The scheduler of the running task. Outside of tasks, throws `outside_of_task` that names
    /// `caller`.
    static scheduler& current(const char* caller) {
        if (scheduler* const here = current_or_null()) [[likely]]
            return *here;
        refuse_outside_of_task(caller);
    }
    /// Null outside of tasks.
    static scheduler* current_or_null() noexcept {
        return this_scheduler != nullptr && this_scheduler->running_ != nullptr ? this_scheduler
                                                                                : nullptr;
    }
    task& running_task() const noexcept {
        assert(is_here() && running_ != nullptr);
        return *running_;
    }
    /// Whether this is the domain's own thread, and not in a run that is nested in this one.
    bool is_here() const noexcept { return this_scheduler == this; }
    /// For a signal handler: the task whose stack overflow has touched `address`, or null. Looks at
    /// the running task, and at those that this run is nested in.
    const task* overflown_at(const void* address) const noexcept {
        for (const scheduler* each = this; each != nullptr; each = each->entered_from_)
            if (const fiber* const running = each->thread_.entered;
                running != nullptr && running->has_overflown_at(address))
                return each->running_;
        return nullptr;
    }
    /// Calls `fn` from the running task, but as if outside of tasks: what needs a task throws
    /// there.
    template <class F>
    void outside_of_tasks(F&& fn) {
        const at_end restore{[this, self = std::exchange(running_, nullptr)] { running_ = self; }};
        std::forward<F>(fn)();
    }

    /// A number for a task or a suspension point. It is unique in the run, and other domains do not
    /// influence it.
    std::uint64_t next_uid() noexcept {
        const std::uint64_t made = next_uid_;
        next_uid_ += run_.domains.size();
        return made;
    }

    /// Puts a task of this domain at the end of the run queue.
    void push(task& t) noexcept {
        assert(is_here() && t.home == this && t.parked == task::parking::none);
        ready_.push(static_cast<run_mail&>(t));
    }
    /// Wakes a parked task of this domain. If a task does, it goes to the end of the run queue. If
    /// the system, another domain or a hook does, it is urgent: a flood of tasks that start or
    /// yield must not keep it waiting.
    void unpark(task& t) noexcept {
        assert(is_here() && t.home == this && t.parked != task::parking::none);
        t.parked = task::parking::none;
        record<trace::resume>(t);
        (running_ != nullptr ? ready_ : urgent_).push(static_cast<run_mail&>(t));
    }
    /// Wakes a parked task of this domain because it was cancelled. It is urgent.
    void push_cancelled(task& t) noexcept;

    /// Parks the running task until it is woken; `why` says what may wake it. Returns whether a
    /// cancellation did. Does not throw: that is the caller's decision.
    bool park(task::parking why) noexcept;
    bool park_on_children() noexcept { return park(task::parking::on_children); }
    /// Parks the running task until `awaited` is signaled. Returns null then, or the cancellation
    /// that came first. Throws `std::invalid_argument` if somebody awaits it already.
    std::exception_ptr wait(trigger_state& awaited);
    /// Parks the running task, which `w` stands for, until `w` was taken out of its list and woken.
    /// Returns false if a cancellation takes it out first.
    bool wait(waiter& w) noexcept;
    void wait_uncancellably(trigger_state& awaited) {
        const shield until_signaled{running_task()};
        wait(awaited);
    }
    /// Moves the running task to the end of the run queue.
    void reschedule() noexcept;

    /// The exception of a cancelled task, for code that passes it on without throwing it.
    const std::exception_ptr& cancellation() const noexcept { return cancellation_; }
    /// Whether a cancellation is due: the running task or a scope around it was cancelled, and no
    /// shield was raised inside of that.
    bool cancellation_due() const noexcept { return running_->interrupted && is_due(*this); }
    /// Whether the running task is in an uncancellable section, or an exception is in flight.
    bool shielded() const noexcept { return running_->shields != 0 || exceptions_in_flight() != 0; }
    unsigned exceptions_in_flight() const noexcept { return thread_.exceptions->uncaught; }
    /// Throws `cancelled` if a cancellation is due. Others run first, so that a loop that swallows
    /// the exception cannot starve them.
    void throw_if_cancelled() {
        if (cancellation_due()) [[unlikely]] {
            reschedule();
            throw cancelled{};
        }
    }

    /// Reports `Events{fields...}`, one after another, if there is a reporter; else costs one test.
    template <class... Events, class... Fields>
    [[gnu::always_inline]] void record(const Fields&... fields) const noexcept {
        if (is_traced()) [[unlikely]]
            report_made<Events...>(fields...);
    }
    bool is_traced() const noexcept { return traces_compiled_in && traced_; }
    /// Makes this domain see a reporter that was set on another one.
    void refresh_tracing() noexcept { traced_ = tracing.load(memory_order_relaxed); }

    /// Counts a call that did not park. When the budget is used up, others run. Does not throw.
    void count_call() noexcept {
        if (budget_-- == 0) [[unlikely]]
            budget_used_up();
    }
    /// The same for the running task, if there is one. Returns its scheduler, or null outside of
    /// tasks.
    static scheduler* count_call_of_caller() noexcept {
        scheduler* const here = current_or_null();
        if (here != nullptr)
            here->count_call();
        return here;
    }
    /// The same before a call of input or output, and throws `cancelled` if it is due: a task whose
    /// calls always succeed at once must still be cancellable.
    void consume_budget() {
        count_call();
        throw_if_cancelled();
    }

    random_stream& random() noexcept { return random_; }
    bool has_system() const noexcept { return static_cast<bool>(events_.select); }
    /// Lives while the running task suspends in a syscall. Reserves the memory of
    /// `report_cancelled`.
    class suspended {
    public:
        explicit suspended(scheduler& in);
        ~suspended() { --here_.suspended_; }
        suspended(const suspended&) = delete;
        suspended& operator=(const suspended&) = delete;
        /// Tells the system, at its next `select`, that this syscall was cancelled.
        void report_cancelled(syscall_uid uid) const noexcept {
            here_.cancelled_syscalls_.push_back(uid);
        }

    private:
        scheduler& here_;
    };
    std::shared_ptr<hook_entry> add_hook(unique_function<void()> fn);
    block_pool& blocks() noexcept { return blocks_; }

    /// The number by which a mutex knows its owner: unique in the process, never reused.
    identity identity_of(const task& t) const noexcept {
        return run_.identity_base + t.uid * identity_step;
    }
    /// Whether `who` names a task of this domain.
    bool is_home_of(identity who) const noexcept {
        const identity uid = (who - run_.identity_base) / identity_step;
        return uid < tasks_of_one_run &&
               uid % run_.domains.size() == static_cast<identity>(uid_.to_int());
    }
    /// `this_identity`, inline.
    static identity identity_of_caller() noexcept { return identity_of_caller(current_or_null()); }
    /// The same for a caller that knows `current_or_null`.
    static identity identity_of_caller(const scheduler* here) noexcept {
        return here != nullptr ? here->identity_of(*here->running_) : identity_of_thread();
    }
    /// The running task of `here`, which may be null.
    static task* task_of_caller(const scheduler* here) noexcept {
        return here != nullptr ? here->running_ : nullptr;
    }

private:
    // The phases of the loop, and their parts.
    void run_hooks() noexcept;
    bool read_inbox() noexcept; // returns whether there was mail
    void poll() noexcept;
    void sleep() noexcept;
    void run_ready_tasks() noexcept;
    void select(bool block) noexcept;
    bool spin_until_mail() const noexcept;

    // Switching.
    static void fiber_body(fiber& self, void* of);
    [[gnu::noinline]] fiber& run_new_tasks(fiber& self) noexcept;
    void switch_away() noexcept;
    fiber& next_fiber() noexcept;
    fiber& fiber_of(task& t) noexcept;
    fiber& fiber_for_new(task& t) noexcept;
    static task& task_of(mail& queued) noexcept {
        return static_cast<task&>(static_cast<run_mail&>(queued));
    }
    task* take() noexcept;
    [[gnu::noinline]] mail* take_in_turns() noexcept;
    static void prefetch_ahead(const intrusive_queue& next) noexcept;
    bool loop_is_due() noexcept;
    bool poll_is_due() noexcept;
    void restart_countdown() noexcept { poll_countdown_ = steps_between_polls_; }
    [[gnu::noinline]] void budget_used_up() noexcept; // the caller needs no frame for it
    [[noreturn]] static void refuse_outside_of_task(const char* caller);
    bool nothing_ready() const noexcept { return ready_.empty() && urgent_.empty(); }

    run_state& run_;
    const domain_uid uid_;

    // The run queues. A task is in at most one, and then in no inbox. The two take turns.
    intrusive_queue urgent_; // woken by a cancellation, or from outside of tasks
    intrusive_queue ready_;
    bool urgent_is_next_ = true;
    task* running_ = nullptr;      // null while the loop runs
    std::uint32_t budget_ = 0;     // calls of the running task without parking, before others run
    std::uint32_t poll_countdown_; // steps until the next poll
    const std::uint32_t quanta_;
    bool hooked_ = false; // there are hooks
    bool traced_ = false; // there was a reporter, when `refresh_tracing` was last called
    bool stopping_ = false;

    fiber_thread thread_;
    fiber loop_; // the context of `run`
    fiber_supply fibers_;
    task* starting_ = nullptr;   // the new task for the fiber that is switched to
    bool woken_by_mail_ = false; // so it spins before the next sleep
    block_pool blocks_;
    // All tasks of the domain share it. Domains do not, because they would contend for its count.
    const std::exception_ptr cancellation_ = std::make_exception_ptr(cancelled{});

    std::uint64_t next_uid_;
    random_stream random_;

    events events_;
    std::uint32_t steps_between_polls_; // at most `.poll`; fewer while steps take long
    clock::time_point last_poll_;
    unsigned failed_selects_ = 0;                 // in a row
    std::size_t suspended_ = 0;                   // tasks in a syscall
    std::vector<syscall_uid> cancelled_syscalls_; // has room for `suspended_` more
    std::list<std::shared_ptr<hook_entry>> hooks_;
    scheduler* entered_from_ = nullptr;        // the thread's previous scheduler: runs nest
    std::optional<overflow_report> overflows_; // while entered
    mail stop_mail_{mail_kind::stop};
    mail signals_mail_{mail_kind::signals};
    atomic<bool> signals_mailed_ = false; // `signals_mail_` is on its way

    wake_token wake_token_; // what a domain without a system sleeps on
    inbox inbox_;
};

// --- The path of every switch, inlined where tasks suspend ---------------------------------------

[[gnu::always_inline]] inline bool scheduler::loop_is_due() noexcept {
    if (--poll_countdown_ == 0) [[unlikely]]
        if (poll_is_due())
            return true;
    return inbox_.has_mail() || hooked_;
}

/// When many tasks wake one after another, none is in the cache. So each step prefetches the third
/// task of the queue, the fiber of the second, and the frames of the first.
[[gnu::always_inline]] inline void scheduler::prefetch_ahead(const intrusive_queue& next) noexcept {
    if (mail* const first = next.front(); first != nullptr && first->next != nullptr) {
        mail* const second = first->next;
        prefetch_lines<1>(second->next);
        prefetch_lines<1>(task_of(*second).context);
        if (const fiber* const its = task_of(*first).context)
            its->prefetch();
    }
}

[[gnu::always_inline]] inline task* scheduler::take() noexcept {
    mail* m;
    if (urgent_.empty()) [[likely]] {
        m = ready_.pop();
        prefetch_ahead(ready_);
    } else {
        m = take_in_turns();
    }
    assert(m == nullptr || task_of(*m).home == this);
    return m ? &task_of(*m) : nullptr;
}

[[gnu::always_inline]] inline fiber& scheduler::fiber_of(task& t) noexcept {
    if (t.context != nullptr)
        return *t.context;
    return fiber_for_new(t);
}

[[gnu::always_inline]] inline fiber& scheduler::next_fiber() noexcept {
    if (loop_is_due()) [[unlikely]]
        return loop_;
    task* const next = take();
    if (next == nullptr)
        return loop_;
    return fiber_of(*next);
}

[[gnu::always_inline]] inline void scheduler::switch_away() noexcept {
    task& self = *running_;
    assert(is_here() && self.context != nullptr && self.context == thread_.entered);
    if (fiber& next = next_fiber(); &next != self.context) {
        self.context->switch_to(next);
        running_ = &self;
    }
    budget_ = quanta_;
    record<trace::run_begin>(self);
}

inline bool scheduler::park(task::parking why) noexcept {
    record<trace::await, trace::run_end>(*running_);
    assert(running_->parked == task::parking::none && why != task::parking::none);
    running_->parked = why;
    running_->woken_by_cancel = false;
    switch_away();
    assert(running_->parked == task::parking::none);
    return running_->woken_by_cancel;
}

inline void scheduler::reschedule() noexcept {
    record<trace::yield, trace::run_end>(*running_);
    push(*running_);
    switch_away();
}

} // namespace miou::detail
