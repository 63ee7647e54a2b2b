// The timers of one domain, by deadline.
#pragma once

#include "miou/config.hpp"
#include "miou_unix/clock.hpp"

#include <cstddef>
#include <vector>

namespace miou_unix::detail {

/// Something that is due at some time. On the stack of the task that it is for.
class MIOU_API timer {
public:
    timer() noexcept = default;
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;

    /// Called when it is due. It is in no queue any more. On the domain's thread, outside of tasks.
    virtual void go_off() noexcept = 0;

    std::size_t place = 0; // in the queue, while it is in one

protected:
    ~timer() = default;
};

/// A 4-ary heap. The deadlines are in the heap, not in the timers, so that comparing them touches
/// no stack of a sleeping task.
class timer_queue {
public:
    bool empty() const noexcept { return heap_.empty(); }
    clock::time_point earliest() const noexcept { return heap_.front().deadline; }
    bool contains(const timer& t) const noexcept {
        return t.place < heap_.size() && heap_[t.place].of == &t;
    }

    /// O(log n). Throws `std::bad_alloc`.
    void push(timer& t, clock::time_point deadline);
    /// Takes out the timer with the earliest deadline. O(log n).
    timer& pop() noexcept;
    /// O(log n).
    void erase(timer& t) noexcept;

private:
    struct entry {
        clock::time_point deadline;
        timer* of;
    };

    void put(std::size_t place, entry e) noexcept;
    void sift_up(std::size_t place, entry e) noexcept;
    void sift_down(std::size_t place, entry e) noexcept;

    std::vector<entry> heap_;
};

} // namespace miou_unix::detail
