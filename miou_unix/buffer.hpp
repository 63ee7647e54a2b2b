// Views of memory to read into and to write from.
#pragma once

#include "miou/config.hpp"

#include <cstddef>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace miou_unix {

/// Asio's buffers: a pointer and a number of bytes.
template <class B>
concept raw_buffer = requires(const B& b) {
    requires std::is_void_v<std::remove_pointer_t<decltype(b.data())>>;
    { b.size() } -> std::convertible_to<std::size_t>;
};

/// A contiguous range of elements whose bytes are their value.
template <class R>
concept plain_range =
    std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    !raw_buffer<std::remove_cvref_t<R>> && !raw_buffer<std::ranges::range_value_t<R>> &&
    !std::is_pointer_v<std::ranges::range_value_t<R>> &&
    std::is_trivially_copyable_v<std::ranges::range_value_t<R>>;

/// The size of `range` in bytes.
template <std::ranges::contiguous_range R>
std::size_t bytes_of(R&& range) noexcept {
    return std::ranges::size(range) * sizeof(std::ranges::range_value_t<R>);
}

/// Memory that can be written to: an `asio::mutable_buffer`, or any contiguous range of trivially
/// copyable elements (`std::span`, `std::array`, `std::string`, `std::vector`, an array).
struct mutable_view {
    void* data = nullptr;
    std::size_t size = 0; // bytes

    mutable_view() noexcept = default;
    mutable_view(void* begin, std::size_t bytes) noexcept
        : data{begin}
        , size{bytes} {}
    template <raw_buffer B>
    mutable_view(const B& buffer) noexcept
        : mutable_view{buffer.data(), buffer.size()} {}
    template <plain_range R>
    mutable_view(R&& range) noexcept
        : mutable_view{std::ranges::data(range), bytes_of(range)} {}
};

/// Memory that can be read from: the same, an `asio::const_buffer`, or a string literal without its
/// terminator.
struct const_view {
    const void* data = nullptr;
    std::size_t size = 0; // bytes

    const_view() noexcept = default;
    const_view(const void* begin, std::size_t bytes) noexcept
        : data{begin}
        , size{bytes} {}
    const_view(const char* text) noexcept
        : const_view{text, std::string_view{text}.size()} {}
    /// All of the array, or up to a terminator? Write `std::span{array}` or
    /// `std::string_view{array}`.
    template <std::size_t N>
    const_view(char (&array)[N]) = delete;
    template <raw_buffer B>
    const_view(const B& buffer) noexcept
        : const_view{buffer.data(), buffer.size()} {}
    template <plain_range R>
    requires(!std::is_array_v<std::remove_reference_t<R>>)
    const_view(R&& range) noexcept
        : const_view{std::ranges::data(range), bytes_of(range)} {}
};

/// A part of a buffer, in bytes. OCaml: `?off ?len`.
struct slice {
    std::size_t off = 0;
    std::optional<std::size_t> len = {}; // to the end of the buffer
};

/// Throws `std::invalid_argument`, naming `caller`, if `part` is not within `whole`.
template <class View>
View part_of(View whole, const slice& part, const char* caller) {
    if (part.off > whole.size || part.len.value_or(0) > whole.size - part.off)
        throw std::invalid_argument{std::string{caller} + ": the slice is not within the buffer"};
    using byte = std::conditional_t<std::is_same_v<View, mutable_view>, std::byte, const std::byte>;
    return View{static_cast<byte*>(whole.data) + part.off,
                part.len.value_or(whole.size - part.off)};
}

} // namespace miou_unix
