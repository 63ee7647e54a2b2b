// Memory for what Asio keeps of a handler.
#pragma once

#include <cstddef>
#include <new>

namespace miou_unix {

/// Room for one handler at a time, so that an operation allocates nothing; a second one goes to the
/// heap. Whoever starts operations with it makes sure that no two threads use it at a time.
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
            if (!memory->used_ && n * sizeof(T) <= sizeof memory->bytes_) {
                memory->used_ = true;
                return reinterpret_cast<T*>(memory->bytes_);
            }
            return static_cast<T*>(::operator new(n * sizeof(T)));
        }
        void deallocate(T* block, std::size_t) noexcept {
            if (reinterpret_cast<std::byte*>(block) == memory->bytes_)
                memory->used_ = false;
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

private:
    bool used_ = false;
    alignas(std::max_align_t) std::byte bytes_[256];
};

} // namespace miou_unix
