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
/// One further fiber is the reserve. A task for which there is no stack gets it, only to fail there
/// with `no_stack`. While the reserve is in use, further such tasks wait.
class fiber_supply {
public:
    /// Each fiber runs `body(fiber, argument)`. Throws `no_stack`.
    fiber_supply(fiber_thread& thread, void (*body)(fiber&, void*), void* argument);
    fiber_supply(const fiber_supply&) = delete;
    fiber_supply& operator=(const fiber_supply&) = delete;
    /// No task runs or waits any more.
    ~fiber_supply();

    /// A fiber to start `t` on. If it is the reserve, `t.error` says why. Null: `t` waits, and a
    /// later `give_back` returns it.
    fiber* take(task& t) noexcept {
        if (idle_ == nullptr) [[unlikely]]
            return make_or_take_reserve(t);
        --idle_count_;
        return std::exchange(idle_, idle_->next_idle);
    }
    /// The task on `f`, which still runs, has ended. Returns one that waits, to be queued again; or
    /// null.
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
    std::exception_ptr shortage_; // one for all tasks: there may be no memory for more
    intrusive_queue waiting_;     // tasks, while the reserve is in use
};

} // namespace miou::detail
