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

// Supplied by the floors above.
/// Does what `m` says, which was sent to `here`.
void deliver(scheduler& here, mail& m) noexcept;
/// The whole run of a task on its fiber: the function, the rules, the unwinding of what is left of
/// its subtree, its resources, and the message to its parent.
void complete(scheduler& here, task& self) noexcept;

struct hook_entry {
    unique_function<void()> fn;
    scheduler* home;
    bool removed = false; // unlinked at the next step
};

/// The scheduler of one domain. Everything here but `send` belongs to the domain's own thread.
///
/// Fibers switch to each other directly: the one that parks takes the next task from the run queue
/// and jumps to it. Only when there is none, or when something else is due (mail, hooks, a poll of
/// the system), control comes back to `run`, the loop on the thread's own stack.
class scheduler {
    using clock = std::chrono::steady_clock;

public:
    /// On the domain's own thread.
    scheduler(run_state& run, domain_uid uid);
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;
    ~scheduler();

    // --- Any thread -----------------------------------------------------------------------------

    /// Sends `m` to this domain and wakes it if it sleeps. The caller makes sure that the run lasts
    /// until this is entered: by being of the run, or because a task of it still waits for `m`.
    void send(mail& m) noexcept;

    /// Some POSIX signal is pending (dom0). Any thread.
    void notify_of_signals() noexcept {
        if (!signals_mailed_.exchange(true, memory_order_acq_rel))
            send(signals_mail_);
    }
    /// The calling thread runs it, or a run that is nested in one of its tasks.
    bool is_of_this_thread() const noexcept {
        const scheduler* each = this_scheduler;
        while (each != nullptr && each != this)
            each = each->entered_from_;
        return each != nullptr;
    }
    domain_uid uid() const noexcept { return uid_; }
    run_state& run_of() const noexcept { return run_; }

    // --- The domain's thread, around its tasks ---------------------------------------------------

    /// Becomes the calling thread's scheduler and makes its events. What `make` throws passes.
    void enter(unique_function<events(domain_uid)>& make_events);
    /// The loop. Returns when `stop` was called.
    void run() noexcept;
    /// From any domain of the run, once.
    void stop() noexcept { send(stop_mail_); }
    /// The mail of `stop` has come.
    void leave_loop() noexcept { stopping_ = true; }
    /// The mail of `notify_of_signals` has come.
    void take_signals_mail() noexcept { signals_mailed_.store(false, memory_order_release); }
    /// Runs the finaliser of the events and gives the thread back.
    void leave() noexcept;

    // --- The domain's thread, in a task ----------------------------------------------------------

    /// The scheduler of the running task; throws `outside_of_task` naming `caller` if there is
    /// none.
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
    /// On the domain's own thread, and not in a run that is nested in this one.
    bool is_here() const noexcept { return this_scheduler == this; }
    /// In a signal handler: the running task, also one that this run is nested in, if it was an
    /// overflow of its stack that touched `address`. Else null.
    const task* overflown_at(const void* address) const noexcept {
        for (const scheduler* each = this; each != nullptr; each = each->entered_from_)
            if (const fiber* const running = each->thread_.entered;
                running != nullptr && running->has_overflown_at(address))
                return each->running_;
        return nullptr;
    }
    /// Calls `fn`, which may do nothing that needs a task, from the running task.
    template <class F>
    void outside_of_tasks(F&& fn) {
        const at_end restore{[this, self = std::exchange(running_, nullptr)] { running_ = self; }};
        std::forward<F>(fn)();
    }

    /// Numbers tasks and suspension points: unique in the run, reproducible without other domains.
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
    /// Wakes a parked task of this domain because it was cancelled: ahead of the others.
    void push_cancelled(task& t) noexcept;
    /// Wakes a parked task of this domain.
    void unpark(task& t) noexcept {
        t.parked = task::parking::none;
        record<trace::resume>(t);
        push(t);
    }

    /// Suspends the running task until it is unparked. `why` says what may unpark it. True when it
    /// was a cancellation that did. Does not throw: throwing is the caller's decision.
    bool park(task::parking why) noexcept;
    bool park_on_children() noexcept { return park(task::parking::on_children); }
    /// Parks the running task on a signal; null when it came, else the cancellation.
    std::exception_ptr wait(trigger_state& awaited);
    void wait_uncancellably(trigger_state& awaited) {
        const shield until_signaled{running_task()};
        wait(awaited);
    }
    /// Goes to the end of the run queue.
    void reschedule() noexcept;

    /// What a cancelled task ends with, for those that need not throw it.
    const std::exception_ptr& cancellation() const noexcept { return cancellation_; }
    /// A cancellation is due: the task or a scope that it is in was cancelled, and no shield was
    /// raised inside of that.
    bool cancellation_due() const noexcept { return running_->interrupted && is_due(*this); }
    /// By an uncancellable section, or by a destructor that runs during unwinding.
    bool shielded() const noexcept { return running_->shields != 0 || exceptions_in_flight() != 0; }
    unsigned exceptions_in_flight() const noexcept { return thread_.exceptions->uncaught; }
    /// Throws `cancelled` if it is due, after others had their turn: a loop that swallows it can
    /// not starve them.
    void throw_if_cancelled() {
        if (cancellation_due()) [[unlikely]] {
            reschedule();
            throw cancelled{};
        }
    }

    /// Reports `Events{fields...}`, one after the other, if anybody listens; else costs one test.
    template <class... Events, class... Fields>
    [[gnu::always_inline]] void record(const Fields&... fields) const noexcept {
        if (is_traced()) [[unlikely]]
            report_made<Events...>(fields...);
    }
    bool is_traced() const noexcept { return traces_compiled_in && traced_; }
    /// A reporter that was set on another domain is not seen before this.
    void refresh_tracing() noexcept { traced_ = tracing.load(memory_order_relaxed); }

    /// Counts a call that did not have to park; when the budget is used up, others run. Does not
    /// throw.
    void count_call() noexcept {
        if (running_->budget-- == 0) [[unlikely]]
            budget_used_up();
    }
    /// The same for whoever calls. Returns its scheduler, or null outside of tasks.
    static scheduler* count_call_of_caller() noexcept {
        scheduler* const here = current_or_null();
        if (here != nullptr)
            here->count_call();
        return here;
    }
    /// The same before a call of input or output: one that succeeds again and again must not keep a
    /// cancelled task.
    void consume_budget() {
        count_call();
        throw_if_cancelled();
    }

    random_stream& random() noexcept { return random_; }
    bool has_system() const noexcept { return static_cast<bool>(events_.select); }
    /// The running task is about to suspend: while one lives, `report_cancelled` has memory for it.
    class suspended {
    public:
        explicit suspended(scheduler& in);
        ~suspended() { --here_.suspended_; }
        suspended(const suspended&) = delete;
        suspended& operator=(const suspended&) = delete;
        /// The system will be told that this syscall of the task was cancelled.
        void report_cancelled(syscall_uid uid) const noexcept {
            here_.cancelled_syscalls_.push_back(uid);
        }

    private:
        scheduler& here_;
    };
    std::shared_ptr<hook_entry> add_hook(unique_function<void()> fn);
    block_pool& blocks() noexcept { return blocks_; }

    /// A number for mutexes to know their owner by: unique in the process, never reused, even.
    identity identity_of(const task& t) const noexcept { return run_.identity_base + (t.uid << 1); }
    /// `this_identity`, in line.
    static identity identity_of_caller() noexcept {
        if (const scheduler* const here = current_or_null()) [[likely]]
            return here->identity_of(*here->running_);
        return identity_of_thread();
    }

private:
    // The loop's phases, and what they consist of.
    void run_hooks() noexcept;
    bool read_inbox() noexcept; // whether there was something
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
    bool loop_is_due() noexcept;
    bool poll_is_due() noexcept;
    void restart_countdown() noexcept { poll_countdown_ = steps_between_polls_; }
    [[gnu::noinline]] void budget_used_up() noexcept; // the caller needs no frame for it
    [[noreturn]] static void refuse_outside_of_task(const char* caller);
    bool nothing_ready() const noexcept { return ready_.empty() && urgent_.empty(); }

    run_state& run_;
    const domain_uid uid_;

    // The run queues. A task is in at most one, and then in no inbox.
    intrusive_queue urgent_; // woken by a cancellation
    intrusive_queue ready_;
    task* running_ = nullptr;      // null while the loop runs
    std::uint32_t poll_countdown_; // steps until the next poll
    const std::uint32_t quanta_;
    bool hooked_ = false; // there are hooks
    bool traced_ = false; // there was a reporter, when `refresh_tracing` was last called
    bool stopping_ = false;

    fiber_thread thread_;
    fiber loop_; // the context of `run`
    fiber_supply fibers_;
    task* starting_ = nullptr;   // handed to the fiber that is switched to for a new task
    bool woken_by_mail_ = false; // how the last sleep ended: spin before the next one
    block_pool blocks_;
    // One for all tasks; one a domain, lest domains fight for its count.
    const std::exception_ptr cancellation_ = std::make_exception_ptr(cancelled{});

    std::uint64_t next_uid_;
    random_stream random_;

    events events_;
    std::uint32_t steps_between_polls_; // at most `.poll`; fewer while steps take long
    clock::time_point last_poll_;
    unsigned failed_selects_ = 0;                 // in a row
    std::size_t suspended_ = 0;                   // tasks
    std::vector<syscall_uid> cancelled_syscalls_; // has room for so many more
    std::list<std::shared_ptr<hook_entry>> hooks_;
    scheduler* entered_from_ = nullptr;        // the thread's previous scheduler: runs nest
    std::optional<overflow_report> overflows_; // while entered
    mail stop_mail_{mail_kind::stop};
    mail signals_mail_{mail_kind::signals};
    atomic<bool> signals_mailed_ = false; // from the mailing until it is read

    wake_token wake_token_; // for a domain without events to sleep on
    inbox inbox_;
};

// --- The path of every switch, in line where tasks suspend ---------------------------------------

[[gnu::always_inline]] inline bool scheduler::loop_is_due() noexcept {
    if (--poll_countdown_ == 0) [[unlikely]]
        if (poll_is_due())
            return true;
    return inbox_.has_mail() || hooked_;
}

[[gnu::always_inline]] inline task* scheduler::take() noexcept {
    mail* m = urgent_.pop();
    if (m == nullptr)
        m = ready_.pop();
    // Of many tasks that wake one after the other none is in the cache. Each step fetches what the
    // next one needs to go on: the task, its fiber, the frames of that.
    if (mail* const first = ready_.front(); first != nullptr && first->next != nullptr) {
        mail* const second = first->next;
        prefetch_lines<1>(second->next);
        prefetch_lines<1>(task_of(*second).context);
        if (const fiber* const its = task_of(*first).context)
            its->prefetch();
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
    self.budget = quanta_;
    if (fiber& next = next_fiber(); &next != self.context) {
        self.context->switch_to(next);
        running_ = &self;
    }
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
