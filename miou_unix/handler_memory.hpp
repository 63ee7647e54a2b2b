// Memory for what Asio keeps of a handler.
#pragma once

#include <atomic>
#include <cstddef>
#include <new>

namespace miou_unix {

/// Room for one handler at a time, so that an operation allocates nothing; a second one, or a
/// larger one than `Size` bytes, goes to the heap. Any thread.
template <std::size_t Size>
class handler_memory {
public:
    handler_memory() noexcept = default;
    handler_memory(const handler_memory&) = delete;
    handler_memory& operator=(const handler_memory&) = delete;

    template <class T>
    struct allocator {
        using value_type = T;
        explicit allocator(handler_memory& from) noexcept
            : memory{&from} {}
        template <class U>
        allocator(const allocator<U>& other) noexcept
            : memory{other.memory} {}
        T* allocate(std::size_t n) {
            if (n * sizeof(T) <= sizeof memory->bytes_ && memory->acquire())
                return reinterpret_cast<T*>(memory->bytes_);
            return static_cast<T*>(::operator new(n * sizeof(T)));
        }
        void deallocate(T* block, std::size_t) noexcept {
            if (reinterpret_cast<std::byte*>(block) == memory->bytes_)
                memory->used_.store(false, std::memory_order_release); // the last touch
            else
                ::operator delete(block);
        }
        template <class U>
        bool operator==(const allocator<U>& other) const noexcept {
            return memory == other.memory;
        }
        handler_memory* memory;
    };
    allocator<std::byte> get() noexcept { return allocator<std::byte>{*this}; }
    bool is_used() const noexcept { return used_.load(std::memory_order_acquire); }

private:
    bool acquire() noexcept {
        return !used_.load(std::memory_order_relaxed) &&
               !used_.exchange(true, std::memory_order_acquire);
    }

    alignas(std::max_align_t) std::byte bytes_[Size];
    std::atomic<bool> used_ = false;
};

} // namespace miou_unix
