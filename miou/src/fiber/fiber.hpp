// An execution context: a stack, and the state that is saved while another one runs.
#pragma once

#include "miou/prefetch.hpp"
#include "miou/src/fiber/sanitizers.hpp"
#include "miou/src/fiber/stack.hpp"

#include <boost/context/detail/fcontext.hpp>

#include <cassert>
#include <cfenv>
#include <utility>

#include <unwind.h> // __ARM_EABI_UNWINDER__

#ifdef MIOU_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef MIOU_TSAN
#include <sanitizer/tsan_interface.h>

#include <csignal>
#endif

namespace miou::detail {

/// The C++ runtime's per-thread exception state (Itanium ABI): the exceptions being handled, and
/// the number of those in flight. Each fiber has its own. Otherwise a fiber that suspends inside a
/// catch block would rethrow another fiber's exception. A fiber that has exceptions takes them
/// along when it is suspended, and leaves the thread without any.
struct exception_state {
    void* caught = nullptr;
    unsigned int uncaught = 0;
#ifdef __ARM_EABI_UNWINDER__
    void* propagating = nullptr;
#endif
    bool any() const noexcept { return caught != nullptr || uncaught != 0; }
};

class fiber;

/// The state that the fibers of one thread share. A fiber never moves to another thread.
struct fiber_thread {
    /// Throws `std::runtime_error` if the thread has a shadow stack, which a switch does not
    /// change.
    fiber_thread();

    exception_state* const exceptions; // the runtime's, of this thread
    fiber* entered = nullptr;          // the running one: the target of the last switch
#ifdef MIOU_TSAN
    sigset_t signals; // the thread's mask, while a switch blocks all
#endif
};

/// A fiber is either running, or suspended inside `switch_to` with its context saved. It is never
/// destroyed with live frames: a fiber that `create` has made is only destroyed while it is
/// suspended in `park_idle`, where nothing on its stack needs unwinding.
///
/// `fiber` is the only code that knows Boost.Context, the sanitizers and valgrind.
class fiber {
public:
    /// Adopts the stack that the calling thread runs on.
    explicit fiber(fiber_thread& thread) noexcept;

    /// Makes a fiber that runs `body(*this, argument)` when it is first switched to. `body` must
    /// never return. The fiber object itself is at the top of `memory`, the rest is its stack.
    /// `colour` spreads the hot lines of equal stacks over the cache.
    static fiber& create(stack memory, fiber_thread& thread, void (*body)(fiber&, void*),
                         void* argument, unsigned colour) noexcept;
    /// Ends an idle fiber and returns its memory.
    static stack destroy(fiber& idle) noexcept;
    /// Whether a sanitizer or valgrind must be told of the end of a fiber. Otherwise its memory may
    /// just go.
    static bool is_watched() noexcept;

    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;
    ~fiber();

    /// Fetches its saved registers and innermost frames into the cache, because it will run soon.
    [[gnu::always_inline]] void prefetch() const noexcept { prefetch_lines<4>(context_); }
    /// Suspends the running fiber, which must be `*this`, and runs `next`. Returns when some fiber
    /// of this thread switches back.
    void switch_to(fiber& next) noexcept;
    /// The same for a fiber that keeps nothing on its stack, and may be destroyed meanwhile.
    void park_idle(fiber& next) noexcept;

    /// Gives the running fiber the rounding, precision and traps that a program starts with.
    static void reset_floating_point() noexcept;

    /// Valid only while it is suspended.
    unsigned exceptions_in_flight() const noexcept { return exceptions_.uncaught; }

    /// Whether `address` lies in the guard below its stack. Also in a signal handler.
    bool has_overflown_at(const void* address) const noexcept {
        return memory_.base != nullptr && memory_.has_guard_at(address);
    }

    fiber* next_idle = nullptr; // while it is on a free list

private:
    fiber(fiber_thread& thread, stack memory) noexcept;
    friend struct fiber_entry;
    void leave(fiber& next, bool keeps_frames) noexcept;
    void jump_to(fiber& next) noexcept;
    void arrive(boost::context::detail::transfer_t from) noexcept;

    fiber_thread& thread_;
    void* context_ = nullptr; // while suspended: Boost.Context's saved registers, on the stack
    exception_state exceptions_;
    stack memory_; // empty for an adopted stack
    void (*body_)(fiber&, void*) = nullptr;
    void* argument_ = nullptr;

    // For the sanitizers and valgrind; unused in other builds.
    [[maybe_unused]] void* asan_fake_stack_ = nullptr;
    [[maybe_unused]] const void* asan_bottom_ = nullptr;
    [[maybe_unused]] std::size_t asan_size_ = 0;
    [[maybe_unused]] void* tsan_fiber_ = nullptr;
    [[maybe_unused]] unsigned valgrind_id_ = 0;
};

// --- The switch, inlined where tasks suspend -----------------------------------------------------
//
// Three steps, always in this order:
//   leave   on the old fiber: saves its exceptions, tells the sanitizers;
//   jump    Boost.Context swaps registers and stack;
//   arrive  on the new fiber: keeps the context of the old one, restores its own exceptions.
//
// The steps are always inlined. The thread sanitizer counts calls and returns for each fiber, and a
// step that changes the fiber would be called on one and return on another.

/// `jump_fcontext` leaves by an indirect jump. If a call entered it, the processor's stack of
/// predicted return addresses would be one too deep after each switch. Then it would mispredict
/// every return after a switch, which costs more than the switch. So a jump enters it as well,
/// where the build guarantees that nothing lies below the stack pointer.
[[gnu::always_inline]] inline boost::context::detail::transfer_t
jump(boost::context::detail::fcontext_t to, void* data) noexcept {
#if defined(MIOU_NO_RED_ZONE) && defined(__x86_64__) && defined(__ELF__) && !defined(MIOU_ASAN) && \
    !defined(MIOU_TSAN)
    boost::context::detail::transfer_t from;
    // Clobbers what a callee need not save, as a call does. Compilers refuse names of registers
    // that they may not use. `endbr64` says that an indirect jump may land here.
    asm volatile("leaq 1f(%%rip), %%rax\n\t"
                 "pushq %%rax\n\t"
                 "jmp jump_fcontext@PLT\n"
                 "1:\n\t"
                 "endbr64"
                 : "=a"(from.fctx), "=d"(from.data), "+D"(to), "+S"(data)
                 :
                 : "rcx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                   "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                   "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)",
#ifdef __AVX512F__
                   "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24",
                   "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2",
                   "k3", "k4", "k5", "k6", "k7",
#endif
#ifdef __APX_F__
                   "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26",
                   "r27", "r28", "r29", "r30", "r31",
#endif
                   "memory", "cc");
    return from;
#else
    return boost::context::detail::jump_fcontext(to, data);
#endif
}

[[gnu::always_inline]] inline void fiber::reset_floating_point() noexcept {
#if defined(__x86_64__)
    // Reading costs a few cycles, writing costs dozens.
    constexpr unsigned control_bits = 0xffc0, default_control = 0x1f80;
    if ((__builtin_ia32_stmxcsr() & control_bits) != default_control) [[unlikely]]
        __builtin_ia32_ldmxcsr(default_control);
    constexpr unsigned short default_x87 = 0x37f;
    unsigned short x87;
    asm volatile("fnstcw %0" : "=m"(x87));
    if (x87 != default_x87) [[unlikely]] {
        asm volatile("fldcw %0" : : "m"(default_x87));
    }
#else
    std::fesetenv(FE_DFL_ENV);
#endif
}

[[gnu::always_inline]] inline void fiber::leave(fiber& next,
                                                [[maybe_unused]] bool keeps_frames) noexcept {
    assert(thread_.entered == this || thread_.entered == nullptr);
    assert(&next != this && &next.thread_ == &thread_ && next.context_ != nullptr);
    if (thread_.exceptions->any()) [[unlikely]]
        exceptions_ = std::exchange(*thread_.exceptions, {});
    thread_.entered = &next;
#ifdef MIOU_ASAN
    // Null frees the fake stack of the use-after-return detection instead of saving it.
    __sanitizer_start_switch_fiber(keeps_frames ? &asan_fake_stack_ : nullptr, next.asan_bottom_,
                                   next.asan_size_);
    if (!keeps_frames)
        asan_fake_stack_ = nullptr;
#endif
#ifdef MIOU_TSAN
    // The thread sanitizer keeps a signal for the fiber that it came to, until that fiber makes a
    // call that it intercepts. A fiber that parks would take the signal along. This call delivers
    // what has come.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &thread_.signals);
    __tsan_switch_to_fiber(next.tsan_fiber_, 0);
#endif
}

[[gnu::always_inline]] inline void fiber::arrive(boost::context::detail::transfer_t from) noexcept {
    fiber& previous = *static_cast<fiber*>(from.data);
    assert(thread_.entered == this && &previous != this);
    previous.context_ = from.fctx;
#ifdef MIOU_ASAN
    // Also returns the bounds of the stack that was left: the only way to learn an adopted one's.
    __sanitizer_finish_switch_fiber(asan_fake_stack_, &previous.asan_bottom_, &previous.asan_size_);
#endif
    if (exceptions_.any()) [[unlikely]]
        *thread_.exceptions = std::exchange(exceptions_, {});
#ifdef MIOU_TSAN
    ::pthread_sigmask(SIG_SETMASK, &thread_.signals, nullptr);
#endif
}

[[gnu::always_inline]] inline void fiber::jump_to(fiber& next) noexcept {
#if defined(__x86_64__) || defined(__i386__)
    arrive(jump(next.context_, this));
#else
    // Elsewhere Boost.Context does not save the floating-point environment.
    std::fenv_t environment;
    std::fegetenv(&environment);
    const auto from = jump(next.context_, this);
    std::fesetenv(&environment);
    arrive(from);
#endif
}

[[gnu::always_inline]] inline void fiber::switch_to(fiber& next) noexcept {
    leave(next, true);
    jump_to(next);
}

[[gnu::always_inline]] inline void fiber::park_idle(fiber& next) noexcept {
    leave(next, false);
    jump_to(next);
}

} // namespace miou::detail
