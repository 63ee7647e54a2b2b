// Awaiting several children at once: of different types, or between two iterators.
#pragma once

#include "miou/promise.hpp"

#include <array>
#include <cstddef>
#include <iterator>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace miou {
namespace detail {

template <class P>
inline constexpr bool is_promise = false;
template <class T>
inline constexpr bool is_promise<promise<T>> = true;

template <class P>
concept any_promise = is_promise<std::remove_cvref_t<P>>;

template <class P>
using promised_by = typename std::remove_cvref_t<P>::value_type;

/// In a variant, `std::monostate` stands for `void`.
template <class T>
using alternative = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class... P>
using one_of = std::variant<alternative<promised_by<P>>...>;

template <std::size_t Index, class Variant, class T>
result<Variant> reap_as(const promise<T>& finished) {
    result<T> outcome = reap_promise(finished);
    if (outcome.has_error())
        return {boost::system::in_place_error, outcome.error()};
    if constexpr (std::is_void_v<T>)
        return {boost::system::in_place_value, Variant{std::in_place_index<Index>}};
    else
        return {boost::system::in_place_value,
                Variant{std::in_place_index<Index>, std::move(outcome).value()}};
}

/// The outcome of the promise at `chosen`, as that alternative of the variant.
template <class... P>
result<one_of<P...>> reap_nth(std::size_t chosen, const P&... promises) {
    using variant = one_of<P...>;
    return [&]<std::size_t... Index>(std::index_sequence<Index...>) {
        using reap = result<variant> (*)(const std::tuple<const P&...>&);
        constexpr reap table[] = {[](const std::tuple<const P&...>& all) {
            return reap_as<Index, variant>(std::get<Index>(all));
        }...};
        return table[chosen](std::tie(promises...));
    }(std::index_sequence_for<P...>{});
}

} // namespace detail

/// `await_all` over children of different types: a tuple of their outcomes, copied from lvalues and
/// moved out of rvalues.
template <detail::any_promise... P>
requires(sizeof...(P) > 1)
std::tuple<result<detail::promised_by<P>>...> await_all(P&&... promises) {
    return {await(std::forward<P>(promises))...};
}

/// `await_one` over children of different types. The index of the variant says which child
/// finished; `std::monostate` stands for `void`.
template <detail::any_promise... P>
requires(sizeof...(P) > 1)
result<detail::one_of<P...>> await_one(const P&... promises) {
    const std::array<detail::task*, sizeof...(P)> tasks{&promises.task()...};
    return detail::reap_nth(detail::await_any_promise(tasks, "miou::await_one"), promises...);
}

/// `await_first` over children of different types: like `await_one`, but cancels the others, even
/// those that have finished, and destroys their values.
template <detail::any_promise... P>
requires(sizeof...(P) > 1)
result<detail::one_of<P...>> await_first(const P&... promises) {
    const std::array<detail::task*, sizeof...(P)> tasks{&promises.task()...};
    const std::size_t chosen = detail::await_any_promise(tasks, "miou::await_first");
    detail::cancel_promises(tasks, tasks[chosen], "miou::await_first");
    return detail::reap_nth(chosen, promises...);
}

/// The functions over a range, between two iterators.
template <std::input_iterator I, std::sentinel_for<I> S>
auto await_all(I first, S last) {
    return await_all(std::ranges::subrange(std::move(first), std::move(last)));
}
template <std::forward_iterator I, std::sentinel_for<I> S>
auto await_one(I first, S last) {
    return await_one(std::ranges::subrange(std::move(first), std::move(last)));
}
template <std::forward_iterator I, std::sentinel_for<I> S>
auto await_first(I first, S last) {
    return await_first(std::ranges::subrange(std::move(first), std::move(last)));
}

} // namespace miou
