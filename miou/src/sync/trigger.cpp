#include "miou/trigger.hpp"

#include "miou/detail/blocked_thread.hpp"
#include "miou/src/report/fixed_line.hpp"
#include "miou/src/report/log_exception.hpp"
#include "miou/src/scheduler/scheduler.hpp"

#include <cstdio>
#include <stdexcept>
#include <string_view>

namespace miou {
namespace {

using detail::trigger_state;

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
    detail::blocked_thread self;
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
        detail::destroyed_with_waiter("trigger", left);
}

void detail::destroyed_with_waiter(const char* what, const wakeable* waiter) noexcept {
    fixed_line line;
    for (const std::string_view piece : {"miou: a ", what, " was destroyed while "})
        line.add(piece);
    if (waiter == nullptr)
        line.add("somebody");
    else if (const task* const waiting = waiter->as_task())
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
