#include "miou/src/fiber/fiber.hpp"

#include <cstdint>
#include <new>
#include <stdexcept>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(begin, end) 0u
#define VALGRIND_STACK_DEREGISTER(id) static_cast<void>(id)
#define RUNNING_ON_VALGRIND 0
#endif

namespace __cxxabiv1 {
struct __cxa_eh_globals;
extern "C" __cxa_eh_globals* __cxa_get_globals() noexcept;
} // namespace __cxxabiv1

namespace context = boost::context::detail;

namespace miou::detail {

namespace {

bool has_shadow_stack() noexcept {
    std::uintptr_t top = 0;
#if defined(__x86_64__)
    asm("rdsspq %0" : "+r"(top)); // does nothing if there is none
#endif
    return top != 0;
}

} // namespace

fiber_thread::fiber_thread()
    : exceptions{reinterpret_cast<exception_state*>(__cxxabiv1::__cxa_get_globals())} {
    if (has_shadow_stack())
        throw std::runtime_error{"miou: fibers cannot run with a shadow stack; start the program "
                                 "with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off"};
}

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
        fiber& self = *static_cast<fiber*>(from.data)->thread_.entered;
        self.arrive(from);
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

bool fiber::is_watched() noexcept {
#if defined(MIOU_ASAN) || defined(MIOU_TSAN)
    return true;
#else
    return RUNNING_ON_VALGRIND != 0;
#endif
}

stack fiber::destroy(fiber& idle) noexcept {
    const stack memory = idle.memory_;
    idle.~fiber();
#ifdef MIOU_ASAN
    __asan_unpoison_memory_region(memory.base, memory.size); // frames that were never left
#endif
    return memory;
}

} // namespace miou::detail
