// Memory in several pieces, for one system call.
#pragma once

#include "miou_unix/buffer.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <span>

namespace miou_unix {

/// A buffer sequence of Asio, or any other range whose elements convert to a `View`: a
/// `std::vector<std::string>`, an array of `asio::mutable_buffer`.
template <class S, class View>
concept buffer_sequence = !raw_buffer<S> && !plain_range<S> && requires(const S& s) {
    { *s.begin() } -> std::convertible_to<View>;
    { s.begin() != s.end() } -> std::convertible_to<bool>;
};

namespace detail {

/// The pieces of one call. Those at the front are used up first.
template <class View>
class pieces {
public:
    static constexpr std::size_t most = 32;

    bool empty() const noexcept { return first_ == end_; }
    bool full() const noexcept { return end_ == views_.size(); }
    std::span<const View> views() const noexcept { return {&views_[first_], end_ - first_}; }

    void push(View next) noexcept {
        if (next.size != 0)
            views_[end_++] = next;
    }
    /// Removes `size` bytes at the front; there must be so many.
    void consume(std::size_t size) {
        for (; size != 0 && size >= views_[first_].size; ++first_)
            size -= views_[first_].size;
        if (size != 0)
            views_[first_] = part_of(views_[first_], {.off = size}, "miou_unix");
        if (empty())
            first_ = end_ = 0;
    }

private:
    std::array<View, most> views_;
    std::size_t first_ = 0;
    std::size_t end_ = 0;
};

/// Calls `use` with as many pieces of `sequence` as fit, then with the next ones, until it has had
/// all or returns false.
template <class View, class S, class F>
void in_pieces(const S& sequence, F use) {
    pieces<View> some;
    for (auto next = sequence.begin(); next != sequence.end(); ++next) {
        some.push(View(*next));
        if (some.full() && !use(some))
            return;
    }
    if (!some.empty())
        use(some);
}

} // namespace detail
} // namespace miou_unix
