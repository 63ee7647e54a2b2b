// Views of memory to read into and to write from.
#pragma once

#include <cstddef>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>

namespace miou_unix {

/// Memory that can be written to: an `asio::mutable_buffer`, or any contiguous range of trivially
/// copyable elements (`std::span`, `std::array`, `std::string`, `std::vector`, an array).
struct mutable_view {
    void* data;
    std::size_t size; // bytes

    template <class B>
    requires requires(const B& b) {
        { b.data() } -> std::same_as<void*>;
    }
    mutable_view(const B& buffer) noexcept
        : data{buffer.data()}
        , size{buffer.size()} {}
    template <std::ranges::contiguous_range R>
    requires(!std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>> &&
             std::is_trivially_copyable_v<std::ranges::range_value_t<R>>) mutable_view(R&& range)
    noexcept
        : data{std::ranges::data(range)}
        , size{std::ranges::size(range) * sizeof(std::ranges::range_value_t<R>)} {}
    mutable_view(void* begin, std::size_t bytes) noexcept
        : data{begin}
        , size{bytes} {}
};

/// Memory that can be read from: likewise, or an `asio::const_buffer`, or a string literal without
/// its terminator.
struct const_view {
    const void* data;
    std::size_t size; // bytes

    template <class B>
    requires requires(const B& b) {
        { b.data() } -> std::convertible_to<const void*>;
        requires std::is_void_v<std::remove_pointer_t<decltype(b.data())>>;
    }
    const_view(const B& buffer) noexcept
        : data{buffer.data()}
        , size{buffer.size()} {}
    template <std::ranges::contiguous_range R>
    requires(std::is_trivially_copyable_v<std::ranges::range_value_t<R>> &&
             !std::is_array_v<std::remove_reference_t<R>>) const_view(R&& range)
    noexcept
        : data{std::ranges::data(range)}
        , size{std::ranges::size(range) * sizeof(std::ranges::range_value_t<R>)} {}
    const_view(const char* text) noexcept
        : const_view{std::string_view{text}} {}
    /// All of it, or up to a terminator? Say it: `std::span{array}` or `std::string_view{array}`.
    template <std::size_t N>
    const_view(char (&array)[N]) = delete;
    const_view(const void* begin, std::size_t bytes) noexcept
        : data{begin}
        , size{bytes} {}
};

/// A part of a buffer, in bytes. OCaml: `?off ?len`.
struct slice {
    std::size_t off = 0;
    std::optional<std::size_t> len = {}; // to the end of the buffer
};

} // namespace miou_unix
