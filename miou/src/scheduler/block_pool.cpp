#include "miou/src/scheduler/block_pool.hpp"

#include <new>

namespace miou::detail {

block_pool::~block_pool() {
    for (list& each : lists_)
        while (each.head != nullptr)
            to_heap(pop(each));
}

void* block_pool::from_heap(std::size_t size) {
    // Rounded up, so that the block may later serve any size of its class.
    return ::operator new(class_of(size) * granularity + smallest);
}

void block_pool::to_heap(void* block) noexcept {
    ::operator delete(block);
}

} // namespace miou::detail
