// An execution context: a stack and what is saved while another one runs.
#pragma once

#include "miou/detail/stack.hpp"

namespace miou::detail {

/// The C++ runtime's per-thread exception state (Itanium ABI): the exceptions being handled and the
/// number of those in flight. Each fiber has its own, swapped at each switch; otherwise a fiber
/// that suspends inside a catch block would rethrow another fiber's exception.
struct exception_state {
    void* caught = nullptr;
    unsigned int uncaught = 0;
#ifdef __ARM_EABI_UNWINDER__
    void* propagating = nullptr;
#endif
};

class fiber;

/// What the fibers of one thread share. They never move to another thread.
struct fiber_thread {
    fiber_thread() noexcept;

    exception_state* const exceptions; // the runtime's, of this thread
    fiber* leaving = nullptr;          // valid from a switch until its target has arrived
};

/// A fiber is either running, or suspended inside `switch_to` with its context saved. It is never
/// destroyed with live frames: one that was created here is only ever destroyed while it is
/// suspended in `park_idle`, where nothing on its stack needs unwinding.
///
/// `fiber` is the only code that knows Boost.Context, the sanitizers and valgrind.
class fiber {
public:
    /// Adopts the stack that the calling thread is running on.
    explicit fiber(fiber_thread& thread) noexcept;

    /// Makes a fiber on `memory`, itself stored at its top, that runs `body(*this, argument)` when
    /// it is first switched to. `body` must never return. `colour` spreads the hot lines of equal
    /// stacks over the cache.
    static fiber& create(stack memory, fiber_thread& thread, void (*body)(fiber&, void*),
                         void* argument, unsigned colour) noexcept;
    /// Ends an idle fiber and returns its memory.
    static stack destroy(fiber& idle) noexcept;

    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;
    ~fiber();

    /// Suspends the running fiber, which must be `*this`, and runs `next`. Returns when some fiber
    /// of this thread switches back.
    void switch_to(fiber& next) noexcept;
    /// Same, for a fiber that keeps nothing on its stack meanwhile and may be destroyed there.
    void park_idle(fiber& next) noexcept;

    fiber* next_idle = nullptr; // while it is on a free list

private:
    fiber(fiber_thread& thread, stack memory) noexcept;
    friend struct fiber_entry;
    void leave(fiber& next, bool keeps_frames) noexcept;
    void jump_to(fiber& next) noexcept;
    void arrive(void* context_of_previous) noexcept;

    fiber_thread& thread_;
    void* context_ = nullptr; // while suspended: Boost.Context's saved registers, on the stack
    exception_state exceptions_;
    stack memory_; // empty for an adopted stack
    void (*body_)(fiber&, void*) = nullptr;
    void* argument_ = nullptr;

    // Sanitizers and valgrind; a few unused words elsewhere.
    [[maybe_unused]] void* asan_fake_stack_ = nullptr;
    [[maybe_unused]] const void* asan_bottom_ = nullptr;
    [[maybe_unused]] std::size_t asan_size_ = 0;
    [[maybe_unused]] void* tsan_fiber_ = nullptr;
    [[maybe_unused]] unsigned valgrind_id_ = 0;
};

} // namespace miou::detail
