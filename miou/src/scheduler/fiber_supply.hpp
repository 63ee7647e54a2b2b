// The fibers of one domain.
#pragma once

#include "miou/detail/inbox.hpp"
#include "miou/detail/task.hpp"
#include "miou/src/fiber/fiber.hpp"
#include "miou/src/fiber/stack.hpp"

#include <cstddef>
#include <exception>
#include <utility>

namespace miou::detail {

/// Hands a fiber to each task that starts, and takes it back when the task has ended. Only the
/// domain's own thread touches it.
///
///                take                  give_back
///     (no stack) ----> runs a task ----------------> idle
///         ^                 ^                        |  |
///         |                 +--------- take ---------+  |
///         +--------------------- trim ------------------+
///
/// One further fiber is the reserve. A task for which there is no stack gets the reserve, where it
/// only fails with `no_stack`. While the reserve is in use, further such tasks wait.
class fiber_supply {
public:
    /// Each fiber runs `body(fiber, argument)`. Throws `no_stack`.
    fiber_supply(fiber_thread& thread, guard_settings guards, void (*body)(fiber&, void*),
                 void* argument);
    fiber_supply(const fiber_supply&) = delete;
    fiber_supply& operator=(const fiber_supply&) = delete;
    /// Needs that no task runs or waits any more.
    ~fiber_supply();

    /// A fiber to start `t` on. If it is the reserve, `t.error` says why. If null, `t` waits, and a
    /// later `give_back` returns it.
    fiber* take(task& t) noexcept {
        if (idle_ == nullptr) [[unlikely]]
            return make_or_take_reserve(t);
        --idle_count_;
        return std::exchange(idle_, idle_->next_idle);
    }
    /// Takes back `f`, the running fiber, whose task has ended. Returns a task that waits and must
    /// be queued again, or null.
    run_mail* give_back(fiber& f) noexcept {
        if (is_reserve(f)) {
            reserve_in_use_ = false;
        } else {
            f.next_idle = std::exchange(idle_, &f);
            ++idle_count_;
        }
        return static_cast<run_mail*>(waiting_.pop());
    }
    bool is_reserve(const fiber& f) const noexcept { return &f == reserve_; }

    /// Gives the memory of most idle stacks back to the system.
    void trim() noexcept;

    stack_pool& stacks() noexcept { return stacks_; }

private:
    fiber& make();
    fiber* make_or_take_reserve(task& t) noexcept;

    fiber_thread& thread_;
    void (*const body_)(fiber&, void*);
    void* const argument_;
    stack_pool stacks_;
    unsigned made_ = 0;
    fiber* idle_ = nullptr; // warm, most recently used first
    std::size_t idle_count_ = 0;
    fiber* const reserve_;
    bool reserve_in_use_ = false;
    std::exception_ptr shortage_; // shared: there may be no memory for a second one
    intrusive_queue waiting_;     // tasks that wait for the reserve
};

} // namespace miou::detail
