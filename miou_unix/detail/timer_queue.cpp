#include "miou_unix/detail/timer_queue.hpp"

#include <algorithm>
#include <cassert>

namespace miou_unix::detail {
namespace {

constexpr std::size_t arity = 4;

constexpr std::size_t parent_of(std::size_t place) noexcept {
    return (place - 1) / arity;
}
constexpr std::size_t first_child_of(std::size_t place) noexcept {
    return place * arity + 1;
}

} // namespace

void timer_queue::push(timer& t, clock::time_point deadline) {
    assert(!contains(t));
    heap_.push_back({deadline, &t});
    sift_up(heap_.size() - 1, heap_.back());
}

timer& timer_queue::pop() noexcept {
    timer& first = *heap_.front().of;
    erase(first);
    return first;
}

void timer_queue::erase(timer& t) noexcept {
    assert(contains(t));
    const std::size_t hole = t.place;
    const entry last = heap_.back();
    heap_.pop_back();
    if (hole == heap_.size())
        return;
    if (hole != 0 && last.deadline < heap_[parent_of(hole)].deadline)
        sift_up(hole, last);
    else
        sift_down(hole, last);
}

void timer_queue::put(std::size_t place, entry e) noexcept {
    heap_[place] = e;
    e.of->place = place;
}

void timer_queue::sift_up(std::size_t place, entry e) noexcept {
    while (place != 0 && e.deadline < heap_[parent_of(place)].deadline) {
        put(place, heap_[parent_of(place)]);
        place = parent_of(place);
    }
    put(place, e);
}

void timer_queue::sift_down(std::size_t place, entry e) noexcept {
    for (;;) {
        const std::size_t first = first_child_of(place);
        if (first >= heap_.size())
            break;
        const auto begin = heap_.begin() + static_cast<std::ptrdiff_t>(first);
        const auto end =
            heap_.begin() + static_cast<std::ptrdiff_t>(std::min(first + arity, heap_.size()));
        const auto least = std::min_element(
            begin, end, [](const entry& a, const entry& b) { return a.deadline < b.deadline; });
        if (e.deadline <= least->deadline)
            break;
        const auto next = static_cast<std::size_t>(least - heap_.begin());
        put(place, *least);
        place = next;
    }
    put(place, e);
}

} // namespace miou_unix::detail
