#include "miou_unix/reactor.hpp"

#include "miou/domain.hpp"
#include "miou/domain_key.hpp"
#include "miou/errors.hpp"
#include "miou_unix/registration.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <string>

namespace miou_unix {
namespace {

thread_local reactor* this_reactor = nullptr;

// A timer that is further away is armed again when this has passed: no arithmetic overflows.
constexpr clock::duration longest_wait = std::chrono::hours{1};

} // namespace

reactor::reactor(miou::domain_uid)
    : io_{1} // one thread runs it, any thread may post
    , always_busy_{io_.get_executor()}
    , timer_{io_}
    , domain_{miou::domain_key()}
    , outer_{std::exchange(this_reactor, this)} {
    door_->reactor_ = this;
}

reactor::~reactor() {
    {
        const std::scoped_lock lock{door_->guard_};
        door_->reactor_ = nullptr;
    }
    while (registrations_)
        registrations_->release();
    this_reactor = outer_;
}

miou::events reactor::make(miou::domain_uid domain) {
    auto made = std::make_shared<reactor>(domain);
    return {.select =
                [made](bool block, std::span<const miou::syscall_uid>) {
                    made->select(block);
                    return std::vector<miou::signal>{};
                },
            .interrupt = [made] { made->interrupt(); },
            .finaliser = {}};
}

reactor* reactor::current_or_null() noexcept {
    return this_reactor;
}

reactor& reactor::current(const char* caller) {
    miou::domain::self(); // throws outside of tasks: a hook must not wait
    if (this_reactor == nullptr || this_reactor->domain_ != miou::domain_key())
        throw miou::no_select_provided{std::string{caller} + " needs miou_unix::run"};
    return *this_reactor;
}

void reactor::select(bool block) {
    // One handler is enough when there is nothing else to do: its task runs, and the next call
    // finds the next handler without a system call.
    if (block)
        io_.run_one();
    else
        io_.poll();
}

void reactor::interrupt() {
    // acq_rel: whoever finds it set has sent its mail before the handler runs, and the memory is
    // free before the next one finds it clear.
    if (!interruption_posted_.exchange(true, std::memory_order_acq_rel))
        asio::post(io_, asio::bind_allocator(interruption_memory_.get(), [this] {
                       interruption_posted_.exchange(false, std::memory_order_acq_rel);
                   }));
}

void reactor::sleep_until(clock::time_point deadline) {
    sleeper self;
    self.deadline = deadline;
    sleepers_.insert(self);
    if (deadline < armed_for_)
        arm();
    if (const std::exception_ptr cancellation = self.due.await()) {
        if (self.is_linked()) // otherwise it came due after the cancellation
            sleepers_.erase(sleepers_.iterator_to(self));
        std::rethrow_exception(cancellation);
    }
}

void reactor::arm() {
    armed_for_ = std::min(sleepers_.begin()->deadline, clock::now() + longest_wait);
    timer_.expires_at(armed_for_); // also takes back an earlier wait
    timer_.async_wait(
        asio::bind_allocator(timer_memory_.get(), [this](const boost::system::error_code& error) {
            if (!error)
                wake_sleepers();
        }));
}

void reactor::wake_sleepers() {
    const clock::time_point now = clock::now();
    armed_for_ = clock::time_point::max();
    while (!sleepers_.empty() && sleepers_.begin()->deadline <= now) {
        sleeper& first = *sleepers_.begin();
        sleepers_.erase(sleepers_.begin());
        first.due.signal();
    }
    if (!sleepers_.empty())
        arm();
}

void reactor::enlist(const std::shared_ptr<registration>& it) {
    it->next = std::move(registrations_);
    if (it->next)
        it->next->previous = it.get();
    registrations_ = it;
}

void reactor::strike_off(registration& it) noexcept {
    std::shared_ptr<registration>& link = it.previous ? it.previous->next : registrations_;
    if (it.next)
        it.next->previous = it.previous;
    const std::shared_ptr<registration> kept = std::move(link); // `it` may be gone after this
    link = std::move(kept->next);
    kept->previous = nullptr;
}

} // namespace miou_unix
