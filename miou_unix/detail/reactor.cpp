#include "miou_unix/detail/reactor.hpp"

#include "miou/at_end.hpp"
#include "miou/domain_key.hpp"
#include "miou/errors.hpp"
#include "miou_unix/detail/errors.hpp"
#include "miou_unix/detail/registration.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cassert>
#include <new>
#include <string>

namespace miou_unix::detail {
namespace {

constinit thread_local reactor* this_reactor [[gnu::tls_model("initial-exec")]] = nullptr;

// A timer that is further away is armed again after this time, so that no arithmetic overflows.
constexpr clock::duration longest_wait = std::chrono::hours{1};

// A domain that has nothing else to do wakes so much later than the earliest deadline, and finds
// others that are due. It is what the kernel adds to the sleep of a thread.
constexpr clock::duration slack = std::chrono::microseconds{50};

// The largest number of turns in a poll, and of wake-ups by handlers.
constexpr std::size_t most_in_a_poll = 32;

// So many tasks that wait for turns, or that handlers wake in a poll, are a crowd.
constexpr std::size_t crowd = 8;

// Without a crowd, Asio is asked for more than one handler at every so many polls.
constexpr unsigned polls_between_crowd_checks = 8;

constexpr auto emit_again_after = std::chrono::milliseconds{1};

} // namespace

reactor::reactor(miou::domain_uid, std::shared_ptr<worker_pools> workers)
    : io_{1} // one thread runs it, any thread may post
    , always_busy_{io_.get_executor()}
    , timer_{io_}
    , emit_timer_{io_}
    , workers_{std::move(workers)}
    , domain_{miou::domain_key()}
    , outer_{std::exchange(this_reactor, this)} {
    handle_->reactor_ = this;
}

reactor::~reactor() {
    {
        const std::scoped_lock lock{handle_->guard_};
        handle_->reactor_ = nullptr;
    }
    assert(timers_.empty() && turns_.empty() && completed_.empty() && cancelled_.empty());
    while (!registrations_.empty())
        registrations_.front().self->release();
    this_reactor = outer_;
}

miou::events reactor::make(miou::domain_uid domain, std::shared_ptr<worker_pools> workers) try {
    auto made = std::make_shared<reactor>(domain, std::move(workers));
    return {.select =
                [made](bool block, std::span<const miou::syscall_uid>) {
                    made->poll(block);
                    return std::vector<miou::signal>{};
                },
            .interrupt = [made] { made->interrupt(); },
            .finaliser = {}};
} catch (const boost::system::system_error& error) {
    throw_error(error.code(), "miou_unix::run");
}

reactor* reactor::current_or_null() noexcept {
    return this_reactor != nullptr && this_reactor->domain_ == miou::domain_key() ? this_reactor
                                                                                  : nullptr;
}

bool reactor::is_of_this_thread(const remote_handle& it) noexcept {
    for (const reactor* each = this_reactor; each != nullptr; each = each->outer_)
        if (each->handle_.get() == &it)
            return true;
    return false;
}

reactor& reactor::current(const char* caller) {
    miou::require_task(caller); // a hook must not wait
    if (reactor* const here = current_or_null())
        return *here;
    throw miou::no_select_provided{std::string{caller} + " needs miou_unix::run"};
}

/// Throws what a handler of the user throws. Even then it wakes the tasks whose operations have
/// ended.
void reactor::poll(bool block) {
    assert(current_or_null() == this && !is_polling_ && completed_.empty());
    const miou::at_end wake{[this] {
        is_polling_ = false;
        wake_completed();
    }};
    is_polling_ = true;
    bool busy = run_timers();
    const std::size_t woken_before = wakeups_;
    if (!block || crowd_is_likely())
        busy |= run_ready_handlers();
    crowded_ = wakeups_ - woken_before >= crowd;
    // While handlers wake a crowd, only one turn is taken in a poll. The tasks that wait for turns
    // came later, and a read finds something more often the later it is made.
    take_turns(block && crowded_ ? 1 : most_in_a_poll);
    // Not if a handler has run: it may have been the interruption that must end this wait.
    if (block && !busy && completed_.empty() && turns_.empty())
        wait_for_handlers();
}

/// Asio needs one more system call to find that it has no more handlers. So it is asked while there
/// is a crowd, and otherwise only now and then.
bool reactor::crowd_is_likely() noexcept {
    if (!crowded_ && ++polls_since_crowd_check_ < polls_between_crowd_checks)
        return false;
    polls_since_crowd_check_ = 0;
    return true;
}

/// Returns whether one was due.
bool reactor::run_timers() {
    if (timers_.empty())
        return false;
    bool ran = false;
    for (const clock::time_point now = clock::now(); !timers_.empty() && timers_.earliest() <= now;
         ran = true)
        timers_.pop().go_off();
    return ran;
}

/// Returns whether there was one. Does not use Asio's `poll`, which would never return if an
/// operation of many steps is always ready. Also stops after many handlers in a row that wake
/// nobody. While reads find something without Asio, these are most of the handlers.
bool reactor::run_ready_handlers() {
    const std::size_t woken_before = wakeups_;
    bool any = false;
    for (std::size_t idle = 0; idle < most_in_a_poll && wakeups_ - woken_before < most_in_a_poll;) {
        const std::size_t woken = wakeups_;
        if (io_.poll_one() == 0)
            break;
        any = true;
        idle = wakeups_ == woken ? idle + 1 : 0;
    }
    return any;
}

/// Turns that are added meanwhile wait for the next poll.
void reactor::take_turns(std::size_t most) noexcept {
    // A read that has waited for many others most likely finds something, and then costs less
    // without Asio. If it finds nothing, those behind it, which have waited less, are not likely to
    // find something.
    bool is_likely = turns_.size() >= crowd;
    for (std::size_t left = std::min(most, turns_.size()); left != 0; --left) {
        turn& first = turns_.front();
        turns_.pop_front();
        if (const auto second = turns_.begin(); second != turns_.end()) {
            second->prefetch_task();
            if (const auto third = std::next(second); third != turns_.end())
                third->prefetch();
        }
        is_likely = is_likely && first.attempt();
        if (!is_likely)
            first.start();
    }
}

/// Runs only one handler. Then its task runs, and the next poll finds the next handler without a
/// system call.
void reactor::wait_for_handlers() {
    if (arm_timer())
        io_.run_one();
    else
        io_.run_one_until(timers_.earliest());
    run_timers();
}

void reactor::wake_completed() noexcept {
    while (!completed_.empty()) {
        turn& first = completed_.front();
        completed_.pop_front(); // first, because the task may destroy it
        first.ended.signal();
    }
}

/// Emits after some time, not after the next handler: a library that queues each emission makes one
/// more handler of it, so the domain would spin.
void reactor::emit_later() noexcept {
    if (cancelled_.empty() || std::exchange(will_emit_again_, true))
        return;
    auto emit_all =
        asio::bind_allocator(emit_memory_.get(), [this](boost::system::error_code = {}) {
            will_emit_again_ = false;
            for (cancelled_call& each : cancelled_)
                each.emit();
            emit_later();
        });
    try {
        emit_timer_.expires_after(emit_again_after);
        emit_timer_.async_wait(emit_all);
    } catch (...) { // no memory for a timer: emits at once
        asio::post(io_, emit_all);
    }
}

void reactor::interrupt() {
    // acq_rel: a thread that finds it set has sent its mail before the handler runs. The memory is
    // free before the next thread finds it clear.
    if (!interruption_posted_.exchange(true, std::memory_order_acq_rel))
        asio::post(io_, asio::bind_allocator(interruption_memory_.get(), [this] {
                       interruption_posted_.exchange(false, std::memory_order_acq_rel);
                       release_what_was_closed();
                   }));
}

void reactor::remote_handle::release_soon(registration& it) noexcept {
    const std::scoped_lock lock{guard_};
    if (reactor_ == nullptr)
        return;
    it.next_to_release = std::exchange(to_release_, &it);
    reactor_->interrupt();
}

/// Releases what other threads have closed.
void reactor::release_what_was_closed() noexcept {
    registration* first = nullptr;
    {
        const std::scoped_lock lock{handle_->guard_};
        first = std::exchange(handle_->to_release_, nullptr);
    }
    while (first != nullptr)
        std::exchange(first, first->next_to_release)->release();
}

void reactor::sleep_until(clock::time_point deadline) {
    struct alarm final : timer {
        void go_off() noexcept override { due.signal(); }
        miou::trigger due;
    } mine;
    add(mine, deadline);
    const miou::at_end left{[&] { remove(mine); }};
    mine.due.await_exn();
}

/// Makes Asio's timer end the wait that follows. It is set again only when the earliest deadline
/// has become earlier, because firing too early costs less. Returns false if there is no memory for
/// it.
bool reactor::arm_timer() noexcept {
    if (timers_.empty() || timers_.earliest() >= armed_for_ - slack)
        return true;
    armed_for_ = clock::time_point::max(); // until it is armed
    const auto wanted = std::min(timers_.earliest(), clock::now() + longest_wait) + slack;
    try {
        timer_.expires_at(wanted); // also cancels an earlier wait
        timer_.async_wait(asio::bind_allocator(timer_memory_.get(),
                                               [this](const boost::system::error_code& error) {
                                                   if (!error)
                                                       armed_for_ = clock::time_point::max();
                                               }));
    } catch (const std::bad_alloc&) {
        return false;
    }
    armed_for_ = wanted;
    return true;
}

void reactor::add(registration& it) {
    assert(is_of_this_thread(*handle_));
    it.self = it.shared_from_this();
    registrations_.push_back(it);
}

void reactor::remove(registration& it) noexcept {
    assert(is_of_this_thread(*handle_));
    const std::shared_ptr<registration> kept = std::move(it.self);
    registrations_.erase(registrations_.iterator_to(it));
}

} // namespace miou_unix::detail
