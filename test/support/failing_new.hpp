// Makes the process run out of memory on purpose. It replaces `new`, and `aligned_alloc`, with
// which Asio allocates. Include it in one file of a program.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace test {

/// While this object exists some calls of `new` fail, on whichever thread.
class failing_new {
public:
    /// The calls number `first` to `first + count - 1` fail, counted from 1.
    failing_new(std::size_t first, std::size_t count) noexcept {
        calls_.store(0);
        first_.store(first);
        count_.store(count);
    }
    ~failing_new() { first_.store(never); }
    failing_new(const failing_new&) = delete;
    failing_new& operator=(const failing_new&) = delete;

    /// Whether a call has failed.
    bool has_struck() const noexcept { return calls_.load() >= first_.load(); }

    /// For `new`: null if the call is to fail.
    static void* allocate(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) {
        void* block = nullptr;
        if (next_fails() || ::posix_memalign(&block, alignment, size) != 0)
            return nullptr;
        return block;
    }
    static void* allocate_or_throw(std::size_t size,
                                   std::size_t alignment = alignof(std::max_align_t)) {
        if (void* const block = allocate(size, alignment))
            return block;
        throw std::bad_alloc{};
    }

private:
    static bool next_fails() noexcept {
        const std::size_t first = first_.load(std::memory_order_relaxed);
        if (first == never)
            return false;
        const std::size_t number = calls_.fetch_add(1, std::memory_order_relaxed) + 1;
        return number >= first && number - first < count_.load(std::memory_order_relaxed);
    }

    static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();
    inline static constinit std::atomic<std::size_t> calls_ = 0;
    inline static constinit std::atomic<std::size_t> first_ = never;
    inline static constinit std::atomic<std::size_t> count_ = 0;
};

} // namespace test

// All forms are replaced: a sanitizer's own forms cannot be mixed with these.
void* operator new(std::size_t size) {
    return test::failing_new::allocate_or_throw(size);
}
void* operator new[](std::size_t size) {
    return test::failing_new::allocate_or_throw(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return test::failing_new::allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return test::failing_new::allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return test::failing_new::allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return test::failing_new::allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return test::failing_new::allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return test::failing_new::allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept {
    std::free(block);
}
void operator delete[](void* block) noexcept {
    std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
    std::free(block);
}
void operator delete[](void* block, std::size_t) noexcept {
    std::free(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
    std::free(block);
}
void operator delete[](void* block, std::align_val_t) noexcept {
    std::free(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
    std::free(block);
}
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept {
    std::free(block);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
    std::free(block);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept {
    std::free(block);
}

extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    void* const block = test::failing_new::allocate(size, alignment);
    if (block == nullptr)
        errno = ENOMEM;
    return block;
}
