#include "miou_unix/detail/reactor.hpp"

#include "miou/domain_key.hpp"
#include "miou/errors.hpp"
#include "miou_unix/detail/descriptor_state.hpp"
#include "miou_unix/detail/errors.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cassert>
#include <new>
#include <string>

namespace miou_unix::detail {
namespace {

thread_local reactor* this_reactor = nullptr;

// A timer that is further away is armed again when this has passed: no arithmetic overflows.
constexpr clock::duration longest_wait = std::chrono::hours{1};

// So many tasks that are woken at a look by handlers are a crowd. Every so many looks one is looked
// for.
constexpr std::size_t crowd = 8;
constexpr unsigned looks_without_crowd_check = 8;

// Tasks woken at a look, by handlers, and requests that end at once: while no task is ready, and
// otherwise.
constexpr std::size_t most_in_a_row = 32;
constexpr std::size_t most_in_a_look = 256;

constexpr std::size_t most_idle_handlers = 64; // in a row that wake no task

constexpr auto tell_again_after = std::chrono::milliseconds{1};

} // namespace

reactor::reactor(miou::domain_uid, std::shared_ptr<worker_pools> workers)
    : io_{1} // one thread runs it, any thread may post
    , always_busy_{io_.get_executor()}
    , timer_{io_}
    , tell_again_timer_{io_}
    , workers_{std::move(workers)}
    , domain_{miou::domain_key()}
    , outer_{std::exchange(this_reactor, this)} {
    door_->reactor_ = this;
}

reactor::~reactor() {
    {
        const std::scoped_lock lock{door_->guard_};
        door_->reactor_ = nullptr;
    }
    assert(timers_.empty() && submitted_.empty() && completed_.empty() && cancelled_.empty());
    while (registrations_)
        registrations_->release();
    this_reactor = outer_;
}

miou::events reactor::make(miou::domain_uid domain, std::shared_ptr<worker_pools> workers) try {
    auto made = std::make_shared<reactor>(domain, std::move(workers));
    return {.select =
                [made](bool block, std::span<const miou::syscall_uid>) {
                    made->select(block);
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

bool reactor::is_of_this_thread(const door& it) noexcept {
    for (const reactor* each = this_reactor; each != nullptr; each = each->outer_)
        if (each->door_.get() == &it)
            return true;
    return false;
}

reactor& reactor::current(const char* caller) {
    miou::require_task(caller); // a hook must not wait
    if (reactor* const here = current_or_null())
        return *here;
    throw miou::no_select_provided{std::string{caller} + " needs miou_unix::run"};
}

/// Starts what was asked for, runs handlers, wakes those whose requests have ended: also when a
/// handler of the user throws, which passes.
void reactor::select(bool block) {
    assert(current_or_null() == this && !looking_ && completed_.empty());
    struct look {
        reactor& self;
        ~look() {
            self.looking_ = false;
            self.wake_completed();
        }
    } const until_return{*this};
    looking_ = true;
    const bool woke = run_timers();
    if (!block) {
        start_submitted(most_in_a_look);
        run_ready_handlers(most_in_a_look);
        return;
    }
    const std::size_t woken_before = tasks_woken_;
    const bool ran = crowd_check_is_due() && run_ready_handlers(most_in_a_row);
    crowded_ = tasks_woken_ - woken_before >= crowd;
    // While a crowd of requests ends, what was submitted waits: it came later, and a read finds
    // something more often the later it is made. None is started meanwhile, so this ends.
    if (completed_.size() < crowd)
        start_submitted(most_in_a_row);
    // A handler may have woken a task, or have been the interruption that was to end this wait.
    if (!ran && !woke && completed_.empty())
        wait_for_handlers();
}

bool reactor::crowd_check_is_due() noexcept {
    if (!std::exchange(crowded_, false) && ++looks_after_crowd_check_ < looks_without_crowd_check)
        return false;
    looks_after_crowd_check_ = 0;
    return true;
}

/// One handler is enough when there is nothing else to do: its task runs, and the next call finds
/// the next handler without a system call.
void reactor::wait_for_handlers() {
    if (arm())
        io_.run_one();
    else
        io_.run_one_until(timers_.earliest());
    run_timers();
}

/// Leaves some for later only if enough have ended at once.
void reactor::start_submitted(std::size_t most_completed) noexcept {
    for (std::size_t count = submitted_.size(); count != 0 && completed_.size() < most_completed;
         --count) { // what is submitted meanwhile waits for the next look
        request& first = submitted_.front();
        submitted_.pop_front();
        if (const auto second = submitted_.begin(); second != submitted_.end()) {
            second->prefetch_task();
            if (const auto third = std::next(second); third != submitted_.end())
                third->prefetch();
        }
        first.start();
    }
}

void reactor::wake_completed() noexcept {
    while (!completed_.empty()) {
        request& first = completed_.front();
        completed_.pop_front(); // before: the task may destroy it
        first.ended.signal();
    }
}

/// Whether there was one. Not `poll`: an operation of many steps that is always ready would never
/// let it return. And when reads are made without Asio, nearly all that it has to tell is known
/// already.
bool reactor::run_ready_handlers(std::size_t most_woken) {
    const std::size_t woken_before = tasks_woken_;
    bool any = false;
    for (std::size_t idle = 0;
         idle < most_idle_handlers && tasks_woken_ - woken_before < most_woken;) {
        const std::size_t woken = tasks_woken_;
        if (io_.poll_one() == 0)
            break;
        any = true;
        idle = tasks_woken_ == woken ? idle + 1 : 0;
    }
    return any;
}

/// By the clock, not after the next handler: where a library queues what it is told, that is a
/// handler, too.
void reactor::tell_cancelled_later() noexcept {
    if (cancelled_.empty() || std::exchange(will_tell_again_, true))
        return;
    auto tell_all =
        asio::bind_allocator(tell_again_memory_.get(), [this](boost::system::error_code = {}) {
            will_tell_again_ = false;
            for (cancelled_call& each : cancelled_)
                each.tell();
            tell_cancelled_later();
        });
    try {
        tell_again_timer_.expires_after(tell_again_after);
        tell_again_timer_.async_wait(tell_all);
    } catch (...) { // no memory for a timer: at once
        asio::post(io_, tell_all);
    }
}

void reactor::interrupt() {
    // acq_rel: whoever finds it set has sent its mail before the handler runs, and the memory is
    // free before the next one finds it clear.
    if (!interruption_posted_.exchange(true, std::memory_order_acq_rel))
        asio::post(io_, asio::bind_allocator(interruption_memory_.get(), [this] {
                       interruption_posted_.exchange(false, std::memory_order_acq_rel);
                       release_what_was_closed();
                   }));
}

void reactor::door::release_soon(registration& it) noexcept {
    const std::scoped_lock lock{guard_};
    if (reactor_ == nullptr)
        return;
    it.next_to_release = std::exchange(to_release_, &it);
    reactor_->interrupt();
}

/// By other threads.
void reactor::release_what_was_closed() noexcept {
    registration* first = nullptr;
    {
        const std::scoped_lock lock{door_->guard_};
        first = std::exchange(door_->to_release_, nullptr);
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
    const std::exception_ptr cancellation = mine.due.await();
    remove(mine);
    if (cancellation)
        std::rethrow_exception(cancellation);
}

/// Makes Asio's timer end the wait that follows. It is set back only when the earliest deadline has
/// come nearer: one that fires too early costs less. False: there is no memory for that.
bool reactor::arm() noexcept {
    if (timers_.empty() || timers_.earliest() >= armed_for_)
        return true;
    armed_for_ = clock::time_point::max(); // until it is
    const auto wanted = std::min(timers_.earliest(), clock::now() + longest_wait);
    try {
        timer_.expires_at(wanted); // also takes back an earlier wait
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

/// Whether there was one that was due.
bool reactor::run_timers() {
    if (timers_.empty())
        return false;
    bool ran = false;
    for (const clock::time_point now = clock::now(); !timers_.empty() && timers_.earliest() <= now;
         ran = true)
        timers_.pop().go_off();
    return ran;
}

void reactor::enlist(const std::shared_ptr<registration>& it) {
    assert(is_of_this_thread(*door_) && it->next == nullptr && it->previous == nullptr);
    it->next = std::move(registrations_);
    if (it->next)
        it->next->previous = it.get();
    registrations_ = it;
}

void reactor::strike_off(registration& it) noexcept {
    assert(is_of_this_thread(*door_) && (it.previous != nullptr || registrations_.get() == &it));
    std::shared_ptr<registration>& link = it.previous ? it.previous->next : registrations_;
    if (it.next)
        it.next->previous = it.previous;
    const std::shared_ptr<registration> kept = std::move(link); // `it` may be gone after this
    link = std::move(kept->next);
    kept->previous = nullptr;
}

} // namespace miou_unix::detail
