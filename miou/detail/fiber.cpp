#include "miou/detail/fiber.hpp"

#include <boost/context/detail/fcontext.hpp>

#include <cstdint>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MIOU_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define MIOU_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define MIOU_ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define MIOU_TSAN 1
#endif
#ifdef MIOU_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef MIOU_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(begin, end) 0u
#define VALGRIND_STACK_DEREGISTER(id) static_cast<void>(id)
#endif

namespace __cxxabiv1 {
struct __cxa_eh_globals;
extern "C" __cxa_eh_globals* __cxa_get_globals() noexcept;
} // namespace __cxxabiv1

namespace context = boost::context::detail;

namespace miou::detail {

// Every switch between fibers goes through three steps, always in this order:
//   leave   on the old fiber: save the exception state, tell the sanitizers;
//   jump    Boost.Context swaps registers and stack;
//   arrive  on the new fiber: keep the context of the one that left, restore the exception state.

fiber_thread::fiber_thread() noexcept
    : exceptions{reinterpret_cast<exception_state*>(__cxxabiv1::__cxa_get_globals())} {}

fiber::fiber(fiber_thread& thread) noexcept
    : thread_{thread} {
#ifdef MIOU_TSAN
    tsan_fiber_ = __tsan_get_current_fiber();
#endif
}

fiber::fiber(fiber_thread& thread, stack memory) noexcept
    : thread_{thread}
    , memory_{memory}
    , asan_bottom_{memory.base}
    , asan_size_{memory.size} {
#ifdef MIOU_TSAN
    tsan_fiber_ = __tsan_create_fiber(0);
#endif
    valgrind_id_ = VALGRIND_STACK_REGISTER(memory.base, memory.top());
}

fiber::~fiber() {
    if (memory_.base == nullptr)
        return;
#ifdef MIOU_TSAN
    __tsan_destroy_fiber(tsan_fiber_);
#endif
    VALGRIND_STACK_DEREGISTER(valgrind_id_);
}

struct fiber_entry {
    static void enter(context::transfer_t from) noexcept {
        fiber& self = *static_cast<fiber*>(from.data);
        self.arrive(from.fctx);
        self.body_(self, self.argument_);
    }
};

fiber& fiber::create(stack memory, fiber_thread& thread, void (*body)(fiber&, void*),
                     void* argument, unsigned colour) noexcept {
    constexpr std::uintptr_t cache_line = 64;
    constexpr std::uintptr_t colours = 16;
    auto top = reinterpret_cast<std::uintptr_t>(memory.top());
    top -= sizeof(fiber) + cache_line * (colour % colours);
    top -= top % cache_line;
    fiber& made = *new (reinterpret_cast<void*>(top)) fiber{thread, memory};
    made.body_ = body;
    made.argument_ = argument;
    const auto base = reinterpret_cast<std::uintptr_t>(memory.base);
    made.context_ = context::make_fcontext(&made, top - base, &fiber_entry::enter);
    return made;
}

stack fiber::destroy(fiber& idle) noexcept {
    const stack memory = idle.memory_;
    idle.~fiber();
#ifdef MIOU_ASAN
    __asan_unpoison_memory_region(memory.base, memory.size); // frames that were never left
#endif
    return memory;
}

void fiber::switch_to(fiber& next) noexcept {
    leave(next, true);
    jump_to(next);
}

void fiber::park_idle(fiber& next) noexcept {
    leave(next, false);
    jump_to(next);
}

inline void fiber::jump_to(fiber& next) noexcept {
    arrive(context::jump_fcontext(next.context_, &next).fctx);
}

inline void fiber::leave([[maybe_unused]] fiber& next,
                         [[maybe_unused]] bool keeps_frames) noexcept {
    exceptions_ = *thread_.exceptions;
    thread_.leaving = this;
#ifdef MIOU_ASAN
    // Without a place to save it, the fake stack of use-after-return detection is freed.
    __sanitizer_start_switch_fiber(keeps_frames ? &asan_fake_stack_ : nullptr, next.asan_bottom_,
                                   next.asan_size_);
    if (!keeps_frames)
        asan_fake_stack_ = nullptr;
#endif
#ifdef MIOU_TSAN
    __tsan_switch_to_fiber(next.tsan_fiber_, 0);
#endif
}

inline void fiber::arrive(void* context_of_previous) noexcept {
    fiber& previous = *thread_.leaving;
    previous.context_ = context_of_previous;
#ifdef MIOU_ASAN
    // Tells the bounds of the stack that was left: the only way to learn an adopted one's.
    __sanitizer_finish_switch_fiber(asan_fake_stack_, &previous.asan_bottom_, &previous.asan_size_);
#endif
    *thread_.exceptions = exceptions_;
}

} // namespace miou::detail
