#include "miou/src/fiber/stack.hpp"

#include "miou/detail/atomic.hpp"
#include "miou/errors.hpp"
#include "miou/src/fiber/sanitizers.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <fstream>

namespace miou::detail {
namespace {

constexpr int madv_guard_install = 102; // MADV_GUARD_INSTALL of Linux 6.13; not in older headers
constexpr int no_advice = -1;

std::size_t page_size() noexcept {
    static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

// Enough for getaddrinfo and TLS handshakes. Sanitizers make frames larger.
#if defined(MIOU_ASAN) || defined(MIOU_TSAN)
constexpr std::size_t usable_size = std::size_t{256} << 10;
#else
constexpr std::size_t usable_size = std::size_t{128} << 10;
#endif
constexpr std::size_t slab_size = std::size_t{64} << 20;
// Stacks leave this much address space free: a task that gets no stack needs memory to fail, and
// the other tasks need it to go on.
constexpr std::size_t left_to_the_heap = std::size_t{16} << 20;

/// Compiled code touches a large frame at least once in so many bytes, so none steps over the
/// guard.
std::size_t guard_size() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    return page_size();
#else
    return std::max(page_size(), std::size_t{64} << 10);
#endif
}

std::size_t slot_size() noexcept {
    return guard_size() + usable_size;
}

/// Each is a mapping, and makes one of the stack above it.
atomic<std::size_t> all_mprotected = 0;

/// How many guards may be mprotect'ed. A sixteenth of the mappings is for others: without any left,
/// no heap grows and no thread starts.
std::size_t most_mprotected() {
    std::size_t mappings = 65'530; // Linux's own default
    std::ifstream{"/proc/sys/vm/max_map_count"} >> mappings;
    return (mappings - mappings / 16) / 2;
}

/// Returns their memory to the system in one call. Kernels before Linux 6.15 refuse.
bool discard(const iovec* ranges, std::size_t count) noexcept {
    constexpr int this_thread = -10'000; // PIDFD_SELF_THREAD; not in older headers
#ifdef SYS_process_madvise
    return ::syscall(SYS_process_madvise, this_thread, ranges, count, MADV_DONTNEED, 0) >= 0;
#else
    return false;
#endif
}

bool mprotect_guard(std::byte* begin) {
    static atomic<std::size_t> most = 0;
    const std::size_t made = all_mprotected.load(memory_order_relaxed);
    if (made >= most.load(memory_order_relaxed)) // the first one, or somebody may have raised it
        most.store(most_mprotected(), memory_order_relaxed);
    if (made >= most.load(memory_order_relaxed) || ::mprotect(begin, guard_size(), PROT_NONE) != 0)
        return false;
    all_mprotected.fetch_add(1, memory_order_relaxed);
    return true;
}

} // namespace

bool stack::has_guard_at(const void* address) const noexcept {
    const auto* const at = static_cast<const std::byte*>(address);
    return at >= base - guard_size() && at < base;
}

stack stack_pool::take() {
    if (!unused_.empty()) {
        const stack reused = unused_.back();
        unused_.pop_back();
        return reused;
    }
    if (uncut_size_ < slot_size())
        add_slab();
    if (unused_.capacity() == cut_) // give_back must not fail
        unused_.reserve(2 * cut_ + 16);
    install_guard(uncut_);
    ++cut_;
    const stack fresh{uncut_ + guard_size(), usable_size};
    uncut_ += slot_size();
    uncut_size_ -= slot_size();
    return fresh;
}

void stack_pool::give_back(std::span<const stack> released) noexcept {
    assert(released.size() <= most_at_once);
    assert(unused_.size() + released.size() <= unused_.capacity());
    iovec ranges[most_at_once];
    iovec* end = ranges;
    for (const stack& each : released)
        *end++ = {each.base, each.size};
    if (!discard(ranges, released.size()))
        for (const stack& each : released)
            ::madvise(each.base, each.size, MADV_DONTNEED);
    unused_.insert(unused_.end(), released.begin(), released.end());
}

void stack_pool::install_guard(std::byte* begin) {
    // An emulator may answer 0 to whatever it does not know, and install nothing.
    static const bool knows_advice = ::madvise(begin, page_size(), no_advice) != 0;
    if (!guards_.by_mprotect && knows_advice &&
        ::madvise(begin, guard_size(), madv_guard_install) == 0)
        return;
    if (mprotect_guard(begin))
        ++mprotected_;
    else if (!guards_.may_lack)
        throw no_stack{ENOMEM,
                       "miou: no guard page for the stack of a task: vm.max_map_count allows "
                       "no more (sysctl -w vm.max_map_count=N, N three for each task)"};
}

void stack_pool::add_slab() {
    if (slabs_.size() == slabs_.capacity())
        slabs_.reserve(2 * slabs_.size() + 4); // may throw, so before anything is mapped
    // Address space may be limited (ulimit -v): settles for less, down to a single stack.
    for (std::size_t size = slab_size - slab_size % slot_size();; size /= 2) {
        size -= size % slot_size();
        void* const begin = ::mmap(nullptr, size + left_to_the_heap, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (begin == MAP_FAILED) {
            if (size / 2 < slot_size())
                throw no_stack{errno};
            continue;
        }
        ::munmap(static_cast<std::byte*>(begin) + size, left_to_the_heap);
        // A huge page would make the first touch of one stack cost the memory of sixteen.
        ::madvise(begin, size, MADV_NOHUGEPAGE);
        slabs_.push_back({static_cast<std::byte*>(begin), size});
        uncut_ = slabs_.back().begin;
        uncut_size_ = size;
        return;
    }
}

stack_pool::~stack_pool() {
    for (const slab& each : slabs_)
        ::munmap(each.begin, each.size);
    all_mprotected.fetch_sub(mprotected_, memory_order_relaxed);
}

} // namespace miou::detail
