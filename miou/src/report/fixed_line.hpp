// A line of text that needs no memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace miou::detail {

/// Made of pieces. Leaves out what does not fit. Also in a signal handler.
class fixed_line {
public:
    void add(std::string_view piece) noexcept {
        const std::size_t fits = std::min(piece.size(), sizeof text_ - size_);
        std::copy_n(piece.data(), fits, text_ + size_);
        size_ += fits;
    }
    /// Adds the text of `of.describe(add, text)`.
    template <class Described>
    void add_description(const Described& of) {
        of.describe(
            [](void* to, std::string_view piece) { static_cast<fixed_line*>(to)->add(piece); },
            this);
    }
    std::string_view text() const noexcept { return {text_, size_}; }

private:
    char text_[1024];
    std::size_t size_ = 0;
};

} // namespace miou::detail
