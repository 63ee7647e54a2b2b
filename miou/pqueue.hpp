// A priority queue.
#pragma once

#include "miou/errors.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace miou {

/// A binary heap with the smallest element by `Compare` first. The order of equal elements is
/// unspecified. Only one thread may use it at a time. If comparing or moving elements throws, the
/// queue stays usable, but its contents are unspecified, as with `std::push_heap`. Nothing
/// suspends. OCaml: `Miou.Pqueue.Make`.
template <class T, class Compare = std::less<T>>
class pqueue {
public:
    pqueue() = default;
    explicit pqueue(Compare compare)
        : compare_{std::move(compare)} {}

    /// Whether there is no element, and how many there are.
    bool is_empty() const noexcept { return heap_.empty(); }
    std::size_t size() const noexcept { return heap_.size(); }

    /// A copy of the smallest element, if there is one.
    std::optional<T> find_min() const
    requires std::copy_constructible<T>
    {
        return is_empty() ? std::nullopt : std::optional<T>{heap_.front()};
    }
    /// The smallest element; valid until the queue is changed. Throws `empty`.
    const T& find_min_exn() const {
        if (is_empty())
            throw empty{};
        return heap_.front();
    }
    /// Removes the smallest element. Throws `empty`.
    void delete_min_exn() { extract_min_exn(); }
    /// Removes the smallest element and returns it. Throws `empty`.
    T extract_min_exn() {
        if (is_empty())
            throw empty{};
        std::ranges::pop_heap(heap_, larger());
        T smallest = std::move(heap_.back());
        heap_.pop_back();
        return smallest;
    }

    /// In logarithmic time. Throws `std::bad_alloc`.
    void insert(T value) {
        heap_.push_back(std::move(value));
        std::ranges::push_heap(heap_, larger());
    }

    /// Calls `f(const T&)` for each element, in no particular order. `f` must not change the queue.
    template <std::invocable<const T&> F>
    void iter(F&& f) const {
        for (const T& each : heap_)
            std::invoke(f, each);
    }

private:
    /// Reversed, because the standard's heaps have the largest element first.
    auto larger() const {
        return [this](const T& a, const T& b) { return std::invoke(compare_, b, a); };
    }

    std::vector<T> heap_;
    [[no_unique_address]] Compare compare_ = {};
};

} // namespace miou
