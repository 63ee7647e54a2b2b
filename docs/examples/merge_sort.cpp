// A merge sort that sorts the two halves in parallel. It sorts the numbers among its arguments. It
// is a port of the example of `Miou.parallel` in lib/miou.mli of OCaml's Miou.

#include "miou/miou.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace {

/// For fewer elements a task would cost more than the sort.
constexpr std::size_t least_for_parallel = 256;

/// Whether `parallel` has a domain for its tasks: dom0 gets none, and neither does the caller's
/// own.
bool others_may_help() {
    return miou::domain::available() > (miou::domain::self().to_int() == 0 ? 0u : 1u);
}

template <class T, class Compare = std::less<T>>
void sort(std::span<T> arr, Compare compare = {}) {
    if (arr.size() >= 2) {
        const auto mi = arr.size() / 2;
        const std::initializer_list<std::span<T>> halves{arr.first(mi), arr.subspan(mi)};
        const auto sort_half = [&](std::span<T> half) { sort(half, compare); };
        if (arr.size() >= least_for_parallel && others_may_help())
            for (const auto& result : miou::parallel(sort_half, halves))
                result.value();
        else
            std::ranges::for_each(halves, sort_half);
        std::ranges::inplace_merge(arr, arr.begin() + static_cast<std::ptrdiff_t>(mi), compare);
    }
}

long number(std::string_view text) {
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        throw std::invalid_argument{"not a number: " + std::string{text}};
    return value;
}

} // namespace

int main(int argc, char** argv) try {
    std::vector<long> numbers;
    std::ranges::transform(std::span{argv + 1, argv + argc}, std::back_inserter(numbers), number);
    miou::run([&] { sort(std::span{numbers}); });
    for (const long each : numbers)
        std::cout << each << '\n';
} catch (const std::exception& error) {
    std::cerr << "merge_sort: " << error.what() << '\n';
    return 1;
}
