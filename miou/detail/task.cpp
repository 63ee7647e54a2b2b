#include "miou/detail/task.hpp"

#include "miou/detail/scheduler.hpp"

namespace miou::detail {

void* task::operator new(std::size_t size) {
    return this_scheduler ? this_scheduler->blocks().take(size) : block_pool::from_heap(size);
}

void task::operator delete(void* block, std::size_t size) noexcept {
    if (this_scheduler)
        this_scheduler->blocks().give_back(block, size);
    else
        block_pool::to_heap(block);
}

std::string task::describe() const {
    std::string text = "task " + std::to_string(uid);
    if (site.line != 0)
        text += std::string{" (spawned at "} + site.file + ":" + std::to_string(site.line) + ")";
    return text;
}

} // namespace miou::detail
