#include "miou/trigger.hpp"

#include "miou/src/report/fixed_line.hpp"
#include "miou/src/report/log_exception.hpp"
#include "miou/src/scheduler/scheduler.hpp"

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <string_view>

namespace miou {
namespace {

using detail::trigger_state;

/// A plain thread that blocks. The waker's last step is to release the mutex, which the thread
/// needs to return. So the thread cannot destroy this too early.
class blocked_thread final : public detail::wakeable {
public:
    void wake() noexcept override {
        const std::scoped_lock lock{guard_};
        woken_ = true;
        changed_.notify_one();
    }
    void block() {
        std::unique_lock lock{guard_};
        changed_.wait(lock, [this] { return woken_; });
    }

private:
    std::mutex guard_;
    std::condition_variable changed_;
    bool woken_ = false;
};

/// Owned by the trigger until it is signaled, then by the signaling thread.
class attached_function final : public detail::wakeable {
public:
    explicit attached_function(unique_function<void()> fn)
        : fn_{std::move(fn)} {}
    void wake() noexcept override {
        const std::unique_ptr<attached_function> self{this};
        detail::call_and_log("a function attached to a trigger", fn_);
    }
    bool discard() noexcept override {
        delete this;
        return true;
    }

private:
    unique_function<void()> fn_;
};

[[noreturn]] void already_awaited() {
    throw std::invalid_argument{"miou::trigger: somebody awaits it already"};
}

[[gnu::noinline]] void block_thread_on(trigger_state& state) { // `await` of a task needs no frame
    blocked_thread self;
    switch (state.try_wait(self)) {
    case trigger_state::wait_outcome::already_signaled:
        return;
    case trigger_state::wait_outcome::already_awaited:
        already_awaited();
    case trigger_state::wait_outcome::waiting:
        self.block();
    }
}

} // namespace

void detail::require_that_caller_may_wait(const char* caller) {
    if (this_scheduler != nullptr)
        scheduler::current(caller);
}

trigger::~trigger() {
    detail::wakeable* const left = state_.waiter();
    if (left != nullptr && !left->discard()) [[unlikely]]
        destroyed_with_waiter("trigger");
}

void trigger::destroyed_with_waiter(const char* what) const noexcept {
    detail::fixed_line line;
    for (const std::string_view piece : {"miou: a ", what, " was destroyed while "})
        line.add(piece);
    if (const detail::task* const waiting = state_.waiter()->as_task())
        line.add_description(*waiting);
    else
        line.add("a thread");
    line.add(" waited for it\n");
    std::fwrite(line.text().data(), 1, line.text().size(), stderr);
    std::terminate();
}

std::exception_ptr trigger::await() {
    if (detail::scheduler* const here = detail::scheduler::current_or_null())
        return here->wait(state_);
    detail::require_that_caller_may_wait("miou::trigger::await");
    block_thread_on(state_);
    return nullptr;
}

void trigger::await_uncancellably() {
    if (detail::scheduler* const here = detail::scheduler::current_or_null())
        here->wait_uncancellably(state_);
    else
        await();
}

bool trigger::on_signal(unique_function<void()> fn) {
    auto attached = std::make_unique<attached_function>(std::move(fn));
    switch (state_.try_wait(*attached)) {
    case trigger_state::wait_outcome::already_signaled:
        return false;
    case trigger_state::wait_outcome::already_awaited:
        already_awaited();
    case trigger_state::wait_outcome::waiting:
        break;
    }
    // From here on the function may run, and be gone, at any time.
    static_cast<void>(attached.release());
    return true;
}

} // namespace miou
