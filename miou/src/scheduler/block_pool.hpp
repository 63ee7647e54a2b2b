// Memory for task control blocks.
#pragma once

#include <cstddef>
#include <new>

namespace miou::detail {

/// Free lists of one domain, by size. Every block is a plain heap block, so it may be given back to
/// the pool of any domain, or to the heap.
class block_pool {
public:
    block_pool() noexcept = default;
    block_pool(const block_pool&) = delete;
    block_pool& operator=(const block_pool&) = delete;
    ~block_pool();

    void* take(std::size_t size) {
        const std::size_t index = class_of(size);
        if (index < classes && lists_[index].head != nullptr) {
            --lists_[index].length;
            return pop(lists_[index]);
        }
        return from_heap(size);
    }
    void give_back(void* block, std::size_t size) noexcept {
        const std::size_t index = class_of(size);
        if (index < classes && lists_[index].length < kept_blocks) {
            ++lists_[index].length;
            lists_[index].head = new (block) link{lists_[index].head};
        } else {
            to_heap(block);
        }
    }

    /// For threads without a pool.
    static void* from_heap(std::size_t size);
    static void to_heap(void* block) noexcept;

private:
    struct link {
        link* next;
    };
    struct list {
        link* head = nullptr;
        std::size_t length = 0;
    };
    // Blocks of 8, 24, 40 ... bytes: the sizes of which glibc's heap wastes nothing.
    static constexpr std::size_t granularity = 16;
    static constexpr std::size_t smallest = 8;
    static constexpr std::size_t classes = 64; // up to 1 KiB; a larger closure goes to the heap
    static constexpr std::size_t kept_blocks = 4096;

    static std::size_t class_of(std::size_t size) noexcept {
        return (size + granularity - smallest - 1) / granularity;
    }
    static void* pop(list& from) noexcept {
        link* const block = from.head;
        from.head = block->next;
        return block;
    }

    list lists_[classes];
};

} // namespace miou::detail
