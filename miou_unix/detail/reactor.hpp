// Asio's reactor as the system of a domain.
#pragma once

#include "miou/events.hpp"
#include "miou/prefetch.hpp"
#include "miou/trigger.hpp"
#include "miou_unix/detail/handler_memory.hpp"
#include "miou_unix/detail/timer_queue.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include <array>
#include <atomic>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>

namespace miou_unix::detail {

namespace asio = boost::asio;

class registration;
struct worker_pools;

/// A call of Asio that was cancelled and has not ended yet. On the stack of the waiting task.
class cancelled_call : public boost::intrusive::list_base_hook<
                           boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
    /// Emits the cancellation signal of the call, if the call has not ended. Called in a handler of
    /// the `io_context`, so that what a library dispatches to the `io_context` runs at once.
    virtual void emit() noexcept = 0;

protected:
    ~cancelled_call() = default;
};

/// A task that waits for its turn, so that others go first. On the task's stack.
class turn : public boost::intrusive::list_base_hook<> {
public:
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

    /// The turn has come, and success is likely: tries what the task waits for, without Asio.
    /// Returns false if that would block; then `start` follows.
    virtual bool attempt() noexcept = 0;
    /// The turn has come: starts what the task waits for.
    virtual void start() noexcept = 0;

    /// With many tasks, nothing of a task is in the cache when its turn comes. These two functions
    /// fetch it: the turn itself two turns ahead, what it refers to one turn ahead.
    [[gnu::always_inline]] void prefetch() const noexcept { miou::prefetch_lines<6>(this); }
    [[gnu::always_inline]] void prefetch_task() const noexcept {
        ended.prefetch();
        miou::prefetch_lines<8>(frames_);
        for (const void* each : touched_)
            miou::prefetch_lines<2>(each);
    }

    miou::trigger ended;

protected:
    /// `frames`: those of the task, above this. `touched`: objects that `take` and the resumed task
    /// touch.
    turn(const void* frames, std::array<const void*, 2> touched) noexcept
        : frames_{frames}
        , touched_{touched} {}
    ~turn() { assert(!is_linked()); }

private:
    const void* const frames_;
    const std::array<const void*, 2> touched_;
};

/// The part of a registration that the reactor's lists use.
struct registered : boost::intrusive::list_base_hook<> {
    std::shared_ptr<registration> self;      // keeps it, while it is in the reactor's list
    registration* next_to_release = nullptr; // the list of the remote handle
};

/// The system of one domain: an `io_context` that only this domain runs, and the timers. Everything
/// except `interrupt` and `remote_handle` belongs to the domain's thread.
///
/// Handlers only wake tasks. The scheduler runs the tasks later.
class reactor {
public:
    reactor(miou::domain_uid domain, std::shared_ptr<worker_pools> workers);
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    /// Lets go of every descriptor that is still registered.
    ~reactor();

    /// A new reactor as the events of the calling domain. `workers` are those of the run.
    static miou::events make(miou::domain_uid domain, std::shared_ptr<worker_pools> workers);
    /// The reactor of the calling domain. Throws, naming `caller`, `miou::outside_of_task`, and
    /// `miou::no_select_provided` if there is none.
    static reactor& current(const char* caller);
    static reactor* current_or_null() noexcept;

    asio::io_context& io() noexcept { return io_; }
    worker_pools& workers() noexcept { return *workers_; }

    // --- Time

    /// Makes `t` go off at `deadline`. Throws `std::bad_alloc`.
    void add(timer& t, clock::time_point deadline) { timers_.push(t, deadline); }
    /// Removes `t`, unless it has gone off.
    void remove(timer& t) noexcept {
        if (timers_.contains(t))
            timers_.erase(t);
    }
    /// Parks the running task until `deadline`. Throws `miou::cancelled`.
    void sleep_until(clock::time_point deadline);

    // --- Tasks

    /// Makes `it` take its turn at a later poll. Other tasks run before that.
    void add(turn& it) noexcept { turns_.push_back(it); }
    /// Returns false if its turn has come. Only in a task.
    bool remove(turn& it) noexcept {
        if (!it.is_linked()) // in `turns_`: the other list is empty outside of `poll`
            return false;
        turns_.erase(turns_.iterator_to(it));
        return true;
    }

    /// Called when what `it` waits for has ended. Wakes its task at the end of the poll. Meanwhile
    /// what the task will touch comes into the cache.
    void complete(turn& it) noexcept {
        count_wakeup();
        it.prefetch_task();
        if (is_polling_)
            completed_.push_back(it);
        else // a task runs the `io_context`
            it.ended.signal();
    }
    /// To be called when a handler wakes a task.
    void count_wakeup() noexcept { ++wakeups_; }

    /// Makes `call` emit each millisecond, until it is unlinked.
    void emit_again(cancelled_call& call) noexcept {
        cancelled_.push_back(call);
        emit_later();
    }

    // --- Descriptors

    /// How other threads reach a reactor that may be gone.
    class remote_handle {
    public:
        /// Makes the reactor's domain release `it` soon. To be called once. A reactor that is gone
        /// has released it.
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
    const std::shared_ptr<remote_handle>& handle() const noexcept { return handle_; }
    /// Whether the calling thread may touch the reactor of `it`. True also in a run that is nested
    /// in that reactor's run.
    static bool is_of_this_thread(const remote_handle& it) noexcept;

    /// Keeps `it` until it is removed, or this reactor ends.
    void add(registration& it);
    void remove(registration& it) noexcept;

private:
    void poll(bool block);
    bool run_timers();
    void take_turns(std::size_t most) noexcept;
    bool run_ready_handlers();
    bool crowd_is_likely() noexcept;
    void wait_for_handlers();
    void wake_completed() noexcept;
    bool arm_timer() noexcept;
    void interrupt();
    void release_what_was_closed() noexcept;
    void emit_later() noexcept;

    // One interruption on its way is enough.
    std::atomic<bool> interruption_posted_ = false;
    handler_memory<256> interruption_memory_; // belongs to the thread that has set that
    handler_memory<256> timer_memory_;
    handler_memory<256> emit_memory_;

    asio::io_context io_; // handlers are destroyed with it, before their memory
    asio::executor_work_guard<asio::io_context::executor_type> always_busy_;
    asio::steady_timer timer_;
    clock::time_point armed_for_ = clock::time_point::max();
    timer_queue timers_;
    boost::intrusive::list<turn> turns_;     // the first has waited longest
    boost::intrusive::list<turn> completed_; // empty outside of `poll`
    bool is_polling_ = false;
    std::size_t wakeups_ = 0;              // of tasks, by handlers, since the beginning
    bool crowded_ = false;                 // the handlers of the last poll woke many tasks
    unsigned polls_since_crowd_check_ = 0; // since the last poll that ran all handlers
    boost::intrusive::list<cancelled_call, boost::intrusive::constant_time_size<false>> cancelled_;
    asio::steady_timer emit_timer_;
    bool will_emit_again_ = false;
    boost::intrusive::list<registered> registrations_;
    std::shared_ptr<remote_handle> handle_ = std::make_shared<remote_handle>();
    const std::shared_ptr<worker_pools> workers_;
    const void* const domain_; // its `domain_key`: a run that is nested in this one has another
    reactor* outer_;           // that of the run in which this one is nested
};

} // namespace miou_unix::detail
