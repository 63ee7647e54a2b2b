// The least that a stackful runtime can cost on this machine: Boost.Context without any runtime.
#include "runtimes.hpp"

#include <boost/context/detail/fcontext.hpp>

#include <sys/mman.h>

#include <cerrno>
#include <system_error>

namespace bench {
namespace {

namespace context = boost::context::detail;

constexpr std::size_t page = 4096;
constexpr std::size_t stack_size = std::size_t{128} << 10;
constexpr int madv_guard_install = 102; // newer than the headers

/// Stacks in one mapping. Each is above a guard page, unless the kernel is too old for cheap ones.
class stacks {
public:
    explicit stacks(std::size_t count)
        : size_{count * (page + stack_size)}
        , begin_{
              static_cast<std::byte*>(::mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))} {
        if (begin_ == MAP_FAILED)
            throw std::system_error{errno, std::generic_category(), "mmap"};
        ::madvise(begin_, size_, MADV_NOHUGEPAGE);
    }
    ~stacks() { ::munmap(begin_, size_); }
    stacks(const stacks&) = delete;
    stacks& operator=(const stacks&) = delete;

    /// Shifts each stack a little: equal stacks would contend for the same cache lines.
    context::fcontext_t make(std::size_t i, void (*body)(context::transfer_t)) const {
        std::byte* const slot = begin_ + i * (page + stack_size);
        const std::size_t size = stack_size - 64 * (i % 16);
        return context::make_fcontext(slot + page + size, size, body);
    }
    void guard(std::size_t i) const {
        ::madvise(begin_ + i * (page + stack_size), page, madv_guard_install);
    }

private:
    std::size_t size_;
    std::byte* begin_;
};

struct ring {
    std::vector<context::fcontext_t> contexts;
    std::size_t running = 0;

    /// Jumps to the next context. Returns when the previous one jumps here.
    void turn() {
        const std::size_t self = running;
        running = self + 1 == contexts.size() ? 0 : self + 1;
        arrived(self, context::jump_fcontext(contexts[running], this));
    }
    void arrived(std::size_t self, context::transfer_t from) {
        contexts[self == 0 ? contexts.size() - 1 : self - 1] = from.fctx;
    }
};

void turn_for_ever(context::transfer_t from) {
    ring& r = *static_cast<ring*>(from.data);
    r.arrived(r.running, from);
    for (;;)
        r.turn();
}

figures yield(std::size_t contexts, const sizes& size) {
    const std::size_t laps = size.laps / contexts + 1;
    const stacks memory{contexts};
    ring r;
    r.contexts.push_back(nullptr); // the calling context
    for (std::size_t i = 1; i < contexts; ++i)
        r.contexts.push_back(memory.make(i, &turn_for_ever));
    r.turn();
    const stopwatch watch;
    for (std::size_t lap = 0; lap < laps; ++lap)
        r.turn();
    return {watch.ns() / static_cast<double>(laps * contexts)};
}

void return_at_once(context::transfer_t from) {
    for (;;)
        from = context::jump_fcontext(from.fctx, nullptr);
}

figures spawn(const sizes& size) {
    const stacks memory{1};
    const stopwatch watch;
    for (std::size_t lap = 0; lap < size.laps; ++lap)
        context::jump_fcontext(memory.make(0, &return_at_once), nullptr);
    return {watch.ns() / static_cast<double>(size.laps)};
}

figures parked(const sizes& size) {
    const auto fibers = static_cast<double>(size.parked);
    const stacks memory{size.parked};
    std::vector<context::fcontext_t> contexts(size.parked);
    const bench::memory before = memory_now();
    const stopwatch parking;
    for (std::size_t i = 0; i < size.parked; ++i) {
        memory.guard(i);
        contexts[i] = context::jump_fcontext(memory.make(i, &return_at_once), nullptr).fctx;
    }
    const double parking_ns = parking.ns();
    const bench::memory after = memory_now();
    const stopwatch waking;
    for (const context::fcontext_t each : contexts)
        context::jump_fcontext(each, nullptr);
    return {parking_ns / fibers, waking.ns() / fibers, (after.resident - before.resident) / fibers,
            (after.page_tables - before.page_tables) / fibers};
}

} // namespace

measurements measurements_of_floor() {
    return {
        {"yield2", [](const sizes& size) { return yield(2, size); }},
        {"yield1000", [](const sizes& size) { return yield(1000, size); }},
        {"spawn", &spawn},
        {"parked", &parked},
    };
}

} // namespace bench
