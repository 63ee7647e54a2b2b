// Memory for the handlers that Asio keeps.
#pragma once

#include <atomic>
#include <cstddef>
#include <new>

namespace miou_unix::detail {

/// Whether the room of a `handler_memory` is taken. Does not count blocks on the heap.
class room_use {
public:
    bool take_room() noexcept {
        return !taken_.load(std::memory_order_relaxed) &&
               !taken_.exchange(true, std::memory_order_acquire);
    }
    void give_room_back() noexcept { taken_.store(false, std::memory_order_release); }
    void take_block() noexcept {}
    void give_block_back() noexcept {}

private:
    std::atomic<bool> taken_ = false;
};

/// Room for one handler at a time, so that an operation allocates nothing. A second one, or one of
/// more than `Size` bytes, goes to the heap. `Use` is told of both. Any thread.
template <std::size_t Size, class Use = room_use>
class handler_memory {
public:
    template <class... Args>
    explicit handler_memory(Args&... args) noexcept
        : use_{args...} {}
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
            if (n * sizeof(T) <= sizeof memory->bytes_ && memory->use_.take_room())
                return reinterpret_cast<T*>(memory->bytes_);
            T* const block = static_cast<T*>(::operator new(n * sizeof(T)));
            memory->use_.take_block();
            return block;
        }
        void deallocate(T* block, std::size_t) noexcept { // touches nothing after its last call
            if (reinterpret_cast<std::byte*>(block) == memory->bytes_)
                return memory->use_.give_room_back();
            ::operator delete(block);
            memory->use_.give_block_back();
        }
        template <class U>
        bool operator==(const allocator<U>& other) const noexcept {
            return memory == other.memory;
        }
        handler_memory* memory;
    };
    allocator<std::byte> get() noexcept { return allocator<std::byte>{*this}; }
    Use& use() noexcept { return use_; }

private:
    alignas(std::max_align_t) std::byte bytes_[Size];
    Use use_;
};

} // namespace miou_unix::detail
