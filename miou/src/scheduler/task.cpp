#include "miou/detail/task.hpp"

#include "miou/src/scheduler/scheduler.hpp"

#include <charconv>
#include <iterator>

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

void task::wake() noexcept {
    if (this_scheduler == home)
        home->unpark(*this);
    else
        home->send(static_cast<run_mail&>(*this));
}

void task::send_cancellation() noexcept {
    if (cancel_sent)
        return;
    cancel_sent = true;
    references_.fetch_add(in_mail, memory_order_relaxed);
    home->send(static_cast<cancel_mail&>(*this));
}

std::string task::describe() const {
    std::string text;
    describe([](void* to, std::string_view piece) { *static_cast<std::string*>(to) += piece; },
             &text);
    return text;
}

void task::describe(void (*add)(void* text, std::string_view piece), void* text) const {
    const auto add_number = [&](std::uint64_t number) {
        char digits[20];
        const char* const end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
        add(text, {digits, end});
    };
    add(text, "task ");
    add_number(uid);
    if (site_line == 0)
        return;
    add(text, " (spawned at ");
    add(text, site_file);
    add(text, ":");
    add_number(site_line);
    add(text, ")");
}

} // namespace miou::detail
