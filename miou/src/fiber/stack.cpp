#include "miou/src/fiber/stack.hpp"

#include "miou/errors.hpp"
#include "miou/src/fiber/sanitizers.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace miou::detail {
namespace {

constexpr int madv_guard_install = 102; // MADV_GUARD_INSTALL of Linux 6.13; not in older headers

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

void install_guard(std::byte* begin) {
    static const bool by_madvise = [begin] {
        return ::madvise(begin, guard_size(), madv_guard_install) == 0;
    }();
    const int failed = by_madvise ? ::madvise(begin, guard_size(), madv_guard_install)
                                  : ::mprotect(begin, guard_size(), PROT_NONE);
    if (failed)
        throw no_stack{errno};
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

void stack_pool::give_back(stack released) noexcept {
    assert(unused_.size() < unused_.capacity() && released.size == usable_size);
    ::madvise(released.base, released.size, MADV_DONTNEED);
    unused_.push_back(released);
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
}

} // namespace miou::detail
