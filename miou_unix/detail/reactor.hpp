// Asio's reactor as the system of a domain.
#pragma once

#include "miou/events.hpp"
#include "miou/prefetch.hpp"
#include "miou/trigger.hpp"
#include "miou_unix/detail/handler_memory.hpp"
#include "miou_unix/detail/timer_queue.hpp"

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>

namespace miou_unix::detail {

namespace asio = boost::asio;

class registration;
struct worker_pools;

/// A call of Asio that was cancelled and has not ended yet. On the stack of who waits for it.
class cancelled_call : public boost::intrusive::list_base_hook<
                           boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
    /// Tells whoever carries out the call, if it has not ended. Called in a handler of the
    /// `io_context`: what a library dispatches to it then runs at once.
    virtual void tell() noexcept = 0;

protected:
    ~cancelled_call() = default;
};

/// What a task has asked its reactor for. On the task's stack.
///
///     submitted -- a look that ----> started -- its handler --> completed -- the end --> awake
///       |   |      finds no crowd                                   ^       of the look
///       |   +-- tried by that look, or its descriptor is closed ----+
///       +-- withdrawn                     (tried in vain: submitted once more)
class request : public boost::intrusive::list_base_hook<> {
public:
    /// Called by the reactor. Calls `reactor::complete` when it has ended: before it returns, or
    /// later.
    virtual void start() noexcept = 0;

    /// With many tasks what one of them touches is in no cache. Brings near what `start` will
    /// touch, and the task that goes on after it: what this refers to, and its frames above. Two
    /// steps, each to be made one step ahead of the next.
    [[gnu::always_inline]] void prefetch() const noexcept { miou::prefetch_lines<6>(this); }
    [[gnu::always_inline]] void prefetch_task() const noexcept {
        ended.prefetch();
        miou::prefetch_lines<8>(frames_);
        for (const void* each : touched_)
            miou::prefetch_lines<2>(each);
    }

    miou::trigger ended;

protected:
    /// `frames`: of who waits, above this. `touched`: by `start`, and after the end.
    request(const void* frames, std::array<const void*, 2> touched) noexcept
        : frames_{frames}
        , touched_{touched} {}
    ~request() = default;

private:
    const void* const frames_;
    const std::array<const void*, 2> touched_;
};

/// Predicts, from what the last ones did, whether a read will succeed at once.
class read_predictor {
public:
    /// Sometimes against the odds, to learn.
    bool will_succeed() noexcept { return average_ >= likely || ++asked_ % probed == 0; }
    void learn(bool succeeded) noexcept { average_ += ((succeeded ? always : 0) - average_) / 8; }

private:
    static constexpr int always = 256, likely = 200;
    static constexpr unsigned probed = 16; // a failure costs a system call
    int average_ = 0;
    unsigned asked_ = 0;
};

/// One domain's system: an `io_context` that only this domain runs, and the timers.
/// Everything but `interrupt` and `door` belongs to the domain's thread.
///
/// Completion handlers only tell what has ended: the tasks run when the scheduler runs them.
class reactor {
public:
    reactor(miou::domain_uid domain, std::shared_ptr<worker_pools> workers);
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    /// Lets go of every descriptor that is still registered.
    ~reactor();

    /// A new reactor as the events of the calling domain. `workers` are those of the run.
    static miou::events make(miou::domain_uid domain, std::shared_ptr<worker_pools> workers);
    /// The calling domain's. Throws, naming `caller`, `miou::no_select_provided` if it has none and
    /// `miou::outside_of_task`.
    static reactor& current(const char* caller);
    static reactor* current_or_null() noexcept;

    asio::io_context& io() noexcept { return io_; }
    worker_pools& workers() noexcept { return *workers_; }

    /// Has `t` go off at `deadline`. Throws `std::bad_alloc`.
    void add(timer& t, clock::time_point deadline) { timers_.push(t, deadline); }
    /// Unless it has gone off.
    void remove(timer& t) noexcept {
        if (timers_.contains(t))
            timers_.erase(t);
    }
    /// Parks the running task until `deadline`. Throws `miou::cancelled`.
    void sleep_until(clock::time_point deadline);

    /// Has it told each millisecond, as long as it lives.
    void tell_again(cancelled_call& call) noexcept {
        cancelled_.push_back(call);
        tell_cancelled_later();
    }

    /// Starts it at a later look at the system. Not at once: a read finds something more often
    /// after the other tasks have run, and to find nothing costs a system call.
    void submit(request& it) noexcept { submitted_.push_back(it); }
    /// True: it will not be started. False: it was. In a task.
    bool withdraw(request& it) noexcept {
        if (!it.is_linked()) // in `submitted_`: the other list is empty outside of `select`
            return false;
        submitted_.erase(submitted_.iterator_to(it));
        return true;
    }
    read_predictor& reads() noexcept { return reads_; }
    /// It has ended: wakes its task before `select` returns. Not at once: while the next handlers
    /// run, what the task will touch comes near.
    void complete(request& it) noexcept {
        note_progress();
        if (looking_)
            completed_.push_back(it);
        else // a task runs the `io_context`
            it.ended.signal();
    }

    /// A task is woken, by a handler or by a request that ended at once.
    void note_progress() noexcept { ++tasks_woken_; }

    /// So `select` will return without waiting.
    bool has_completed() const noexcept { return !completed_.empty(); }

    /// By which other threads reach a reactor that may be gone.
    class door {
    public:
        /// Releases `it`, once, on the reactor's domain, soon. A reactor that is gone has done so.
        void release_soon(registration& it) noexcept;

        bool is_closed() {
            const std::scoped_lock lock{guard_};
            return reactor_ == nullptr;
        }

    private:
        friend class reactor;
        std::mutex guard_;
        reactor* reactor_ = nullptr;
        registration* to_release_ = nullptr; // head of a list; the reactor keeps them
    };
    const std::shared_ptr<door>& way_in() const noexcept { return door_; }
    /// Whether the calling thread may touch the reactor of `it`: also in a run that is nested in
    /// that reactor's.
    static bool is_of_this_thread(const door& it) noexcept;

    /// Keeps `it` until it is released, or this reactor ends.
    void enlist(const std::shared_ptr<registration>& it);
    void strike_off(registration& it) noexcept;

private:
    void select(bool block);
    bool crowd_check_is_due() noexcept;
    void wait_for_handlers();
    void interrupt();
    void release_what_was_closed() noexcept;
    bool run_ready_handlers(std::size_t most_woken);
    bool arm() noexcept;
    bool run_timers();
    void tell_cancelled_later() noexcept;
    void start_submitted(std::size_t most_completed) noexcept;
    void wake_completed() noexcept;

    // What is posted while one is on its way would wake nobody else.
    std::atomic<bool> interruption_posted_ = false;
    handler_memory<256> interruption_memory_; // of whoever has set it
    handler_memory<256> timer_memory_;
    handler_memory<256> tell_again_memory_;

    asio::io_context io_; // handlers are destroyed with it, before their memory
    asio::executor_work_guard<asio::io_context::executor_type> always_busy_;
    asio::steady_timer timer_;
    clock::time_point armed_for_ = clock::time_point::max();
    timer_queue timers_;
    boost::intrusive::list<cancelled_call, boost::intrusive::constant_time_size<false>> cancelled_;
    asio::steady_timer tell_again_timer_;
    bool will_tell_again_ = false;
    read_predictor reads_;
    bool looking_ = false; // `select` is active
    bool crowded_ = false; // at the last look for a crowd
    unsigned looks_after_crowd_check_ = 0;
    std::size_t tasks_woken_ = 0; // ever, by timers aside
    boost::intrusive::list<request> submitted_;
    boost::intrusive::list<request> completed_;   // empty outside of `select`
    std::shared_ptr<registration> registrations_; // head of a list
    std::shared_ptr<door> door_ = std::make_shared<door>();
    const std::shared_ptr<worker_pools> workers_;
    const void* const domain_; // to tell it from the domains of runs that are nested in this one
    reactor* outer_;           // of the run that this one is nested in
};

} // namespace miou_unix::detail
