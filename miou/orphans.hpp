// Children that a task keeps together and awaits as they finish.
#pragma once

#include "miou/detail/orphanage.hpp"
#include "miou/promise.hpp"

#include <cstddef>
#include <optional>

namespace miou {

/// Keeps children that are not awaited one by one. Belongs to the first task that uses it, and
/// should be a local of that task. Its destructor cancels the children that are left and waits for
/// them, which breaks rule 1 unless an exception is in flight. Every operation takes constant time,
/// however many children there are. OCaml: `'a Miou.orphans`.
template <class T>
class orphans {
public:
    /// On any thread. OCaml: `Miou.orphans ()`.
    orphans() = default;

    // For the functions below.
    detail::orphanage& untyped() noexcept { return untyped_; }
    const detail::orphanage& untyped() const noexcept { return untyped_; }

private:
    detail::orphanage untyped_;
};

namespace detail {

/// Takes over the handle that the orphans held.
template <class T>
std::optional<promise<T>> adopt(task* taken) {
    if (taken == nullptr)
        return std::nullopt;
    return promise<T>{static_cast<typed_task<T>*>(taken)};
}

template <class T>
orphanage& owned(orphans<T>& o, const char* caller) {
    o.untyped().acquire(caller);
    return o.untyped();
}

} // namespace detail

/// `async` and `call` of a child that `o` keeps, so that the returned promise may be dropped.
/// Throws what they throw, and `std::invalid_argument` if another task owns `o`. OCaml: `Miou.async
/// ~orphans`, `Miou.call ~orphans`.
template <class T, class F>
promise<T> async(async_options options, orphans<T>& o, F&& fn,
                 boost::source_location site = BOOST_CURRENT_LOCATION) {
    static_assert(std::is_same_v<detail::result_of<F>, T>,
                  "the task must return a T of orphans<T>");
    return detail::async_with(options, &o.untyped(), std::forward<F>(fn), site);
}
template <class T, class F>
promise<T> async(orphans<T>& o, F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) {
    return async(async_options{}, o, std::forward<F>(fn), site);
}
template <class T, class F>
promise<T> call(call_options options, orphans<T>& o, F&& fn,
                boost::source_location site = BOOST_CURRENT_LOCATION) {
    static_assert(std::is_same_v<detail::result_of<F>, T>,
                  "the task must return a T of orphans<T>");
    return detail::call_with(options, &o.untyped(), std::forward<F>(fn), site);
}
template <class T, class F>
promise<T> call(orphans<T>& o, F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) {
    return call(call_options{}, o, std::forward<F>(fn), site);
}

/// Takes out a child that has finished; await it then. The inner optional is empty if none has
/// finished yet, the outer one if no child is left at all. Throws `std::invalid_argument` in a task
/// that does not own `o`. Does not suspend. OCaml: `Miou.care`.
template <class T>
[[nodiscard]] std::optional<std::optional<promise<T>>> care(orphans<T>& o) {
    detail::orphanage& from = detail::owned(o, "miou::care");
    if (from.length.load(detail::memory_order_relaxed) == 0)
        return std::nullopt;
    return std::optional<std::optional<promise<T>>>{std::in_place,
                                                    detail::adopt<T>(from.take_ended())};
}

/// Takes out a child, finished or not (finished ones first); await or cancel it then. The optional
/// is empty if no child is left. Throws `std::invalid_argument` in a task that does not own `o`.
/// Does not suspend. OCaml: `Miou.take`.
template <class T>
[[nodiscard]] std::optional<promise<T>> take(orphans<T>& o) {
    return detail::adopt<T>(detail::owned(o, "miou::take").take_any());
}

/// Waits until a child has finished, takes it out, and returns its outcome. The optional is empty
/// if no child is left. Children that succeeded come before those that failed, first come first
/// served.
///
/// Throws `std::invalid_argument` in a task that does not own `o`, and `cancelled`. Suspends unless
/// a child has finished; cancellable. OCaml: `Miou.get`.
template <class T>
std::optional<result<T>> get(orphans<T>& o) {
    detail::orphanage& from = detail::owned(o, "miou::get");
    if (!from.wait())
        return std::nullopt;
    return await(std::move(*detail::adopt<T>(from.take_ended())));
}

/// The number of children in `o`, finished or not. Any thread. OCaml: `Miou.length`.
template <class T>
std::size_t length(const orphans<T>& o) noexcept {
    return o.untyped().length.load(detail::memory_order_relaxed);
}

} // namespace miou
