// Tasks: spawning, awaiting, cancelling.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/typed_task.hpp"
#include "miou/errors.hpp"
#include "miou/events.hpp"
#include "miou/ownership.hpp"
#include "miou/result.hpp"
#include "miou/uid.hpp"

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <iterator>
#include <optional>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace miou {

template <class T>
class orphans;

namespace detail {
/// The `T` of a range of `promise<T>`.
template <class Range>
using promised_t = typename std::remove_cvref_t<std::ranges::range_reference_t<Range>>::value_type;

/// Destroys a user's handle. Any thread. When a parent destroys the last handle of a child that it
/// has neither awaited nor cancelled, this cancels the child and waits for it, because the child
/// may hold references to the parent's locals. That breaks rule 1, unless an exception is in
/// flight.
MIOU_API void release_handle(task& child) noexcept;
MIOU_API std::ostream& print(std::ostream& out, const task& described);
} // namespace detail

/// A handle on a task, which the task that spawned it must await or cancel. Copies name the same
/// task, and are equal. Handles may be copied, passed and destroyed on any thread.
///
/// When a parent destroys the last handle of a child that it has neither awaited nor cancelled, the
/// destructor cancels the child and waits until it has unwound. So the child never outlives what it
/// captured by reference. The destructor then suspends, is not cancellable, and breaks rule 1
/// (`run` reports `still_has_children` when the parent finishes normally), unless an exception is
/// in flight. OCaml: `'a Miou.t`.
template <class T>
class promise {
public:
    using value_type = T;

    promise(const promise& other) noexcept
        : task_{other.task_} {
        if (task_)
            task_->add_handle();
    }
    promise(promise&& other) noexcept
        : task_{std::exchange(other.task_, nullptr)} {}
    promise& operator=(promise other) noexcept {
        std::swap(task_, other.task_);
        return *this;
    }
    ~promise() {
        if (task_)
            detail::release_handle(*task_);
    }

    /// Throws `std::invalid_argument` if this was moved from.
    promise_uid uid() const { return task().number(); }
    /// Any thread. The answer may be outdated at once. OCaml: `Promise.state`.
    promise_state state() const { return task().state.load(detail::memory_order_acquire); }

    /// `task 12 (spawned at echo.cpp:45)`. OCaml: `Promise.pp`.
    friend std::ostream& operator<<(std::ostream& out, const promise& p) {
        return detail::print(out, p.task());
    }
    friend bool operator==(const promise&, const promise&) noexcept = default;
    friend std::size_t hash_value(const promise& p) noexcept {
        return std::hash<const void*>{}(p.task_);
    }

    // For the functions below.
    /// Takes over a handle.
    explicit promise(detail::typed_task<T>* held) noexcept
        : task_{held} {}
    detail::typed_task<T>& task() const {
        if (task_ == nullptr)
            throw std::invalid_argument{"miou: this promise was moved from"};
        return *task_;
    }

private:
    detail::typed_task<T>* task_;
};

/// The options of a new task.
struct async_options {
    /// Resources that the new task becomes the owner of. The running task owns them, or nobody.
    std::vector<ownership> give = {};
};
struct call_options {
    /// The domain to run on; not the caller's own and not dom0. At random from `g` by default.
    std::optional<domain_uid> pin = {};
    /// Resources that the new task becomes the owner of. The running task owns them, or nobody.
    std::vector<ownership> give = {};
};

namespace detail {

struct orphanage;
/// The non-template halves of the functions below. `orphans` may be null.
MIOU_API void check_async(const async_options& options, orphanage* orphans);
MIOU_API scheduler& check_call(const call_options& options, orphanage* orphans);
MIOU_API void start(task& made, scheduler* home, std::span<const ownership> give,
                    orphanage* orphans);
// The same for a child on the same domain that nobody gives anything.
MIOU_API void check_async();
MIOU_API void start(task& made);
/// Waits for `child` in the running task. Its outcome may be read then.
MIOU_API void await_promise(task& child, const char* caller);
MIOU_API std::size_t await_any_promise(std::span<task* const> children, const char* caller);
MIOU_API void reap_task(task& child);
MIOU_API void cancel_promise(task& child);
/// Cancels all but `kept` before it waits for the first, so that they unwind together.
MIOU_API void cancel_promises(std::span<task* const> children, const task* kept,
                              const char* caller);
MIOU_API std::vector<scheduler*> other_domains(const char* caller);

template <class F>
promise<result_of<F>> async_with(const async_options& options, orphanage* orphans, F&& fn,
                                 spawn_site site) {
    check_async(options, orphans);
    promise<result_of<F>> made{make_task(std::forward<F>(fn), site)};
    start(made.task(), nullptr, options.give, orphans);
    return made;
}

template <class F>
promise<result_of<F>> call_with(const call_options& options, orphanage* orphans, F&& fn,
                                spawn_site site) {
    scheduler& home = check_call(options, orphans);
    promise<result_of<F>> made{make_task(std::forward<F>(fn), site)};
    start(made.task(), &home, options.give, orphans);
    return made;
}

/// A braced list of promises of different types converts to this, which does not compile: the
/// message says what to write instead.
struct different_promises {
    template <class... T>
    requires(sizeof...(T) > 1)
    different_promises(const promise<T>&...) {
        static_assert(sizeof...(T) == 0,
                      "miou: these tasks return different types (a function that only throws "
                      "returns void): write await_first(p, q), not await_first({p, q})");
    }
};

template <class Range>
std::vector<task*> tasks_of(Range& promises) {
    std::vector<task*> tasks;
    if constexpr (std::ranges::sized_range<Range>)
        tasks.reserve(std::ranges::size(promises));
    for (const auto& each : promises)
        tasks.push_back(&each.task());
    return tasks;
}

/// The outcome of a child that has finished. Moves it out only if it cannot be copied.
template <class T>
result<T> reap_promise(const promise<T>& finished) {
    reap_task(finished.task());
    if constexpr (std::is_void_v<T> || std::is_copy_constructible_v<T>)
        return finished.task().outcome();
    else
        return finished.task().take();
}

template <class Range>
promise<promised_t<Range>> await_any_of(Range& promises, std::span<task* const> tasks,
                                        const char* caller) {
    const std::size_t chosen = await_any_promise(tasks, caller);
    return *std::next(std::ranges::begin(promises), static_cast<std::ptrdiff_t>(chosen));
}

/// Whether the elements of a range that is passed by forwarding reference may be moved from. They
/// may if the range makes them as it goes, or is a temporary container.
template <class Range>
constexpr bool gives_elements_away =
    !std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>> ||
    !(std::is_lvalue_reference_v<Range> || std::ranges::borrowed_range<Range> ||
      std::ranges::view<std::remove_cvref_t<Range>>);

template <class Range, class Element>
decltype(auto) taken_from(Element& element) noexcept {
    if constexpr (gives_elements_away<Range>)
        return std::move(element);
    else
        return element;
}

} // namespace detail

/// Spawns `fn` as a child of the running task, on the same domain. Returns at once: the child runs
/// when the running task suspends. `fn` may be move-only; it is destroyed when the child finishes.
/// The child must be awaited or cancelled before the running task finishes (rule 1).
///
/// Throws `outside_of_task`, `std::bad_alloc`, and what moving `fn` throws; with `.give`,
/// `not_owner`; with orphans, `std::invalid_argument` if another task owns them. Does not suspend.
/// OCaml: `Miou.async`.
template <class F>
requires std::invocable<std::decay_t<F>&&>
[[nodiscard]] promise<detail::result_of<F>>
async(F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) {
    detail::check_async(); // before `fn` is moved
    promise<detail::result_of<F>> made{detail::make_task(std::forward<F>(fn), site)};
    detail::start(made.task());
    return made;
}
template <class F>
[[nodiscard]] promise<detail::result_of<F>>
async(async_options options, F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) {
    return detail::async_with(options, nullptr, std::forward<F>(fn), site);
}

/// Spawns `fn` as a child of the running task on another domain, never dom0; `.pin` says which.
///
/// Throws what `async` throws, `no_domain_available` when there is no other domain, and
/// `std::invalid_argument` for a pin that is the caller's own domain, dom0, or does not exist.
/// Does not suspend. OCaml: `Miou.call`.
template <class F>
requires std::invocable<std::decay_t<F>&&>
[[nodiscard]] promise<detail::result_of<F>>
call(F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) {
    return detail::call_with({}, nullptr, std::forward<F>(fn), site);
}
template <class F>
[[nodiscard]] promise<detail::result_of<F>>
call(call_options options, F&& fn, boost::source_location site = BOOST_CURRENT_LOCATION) {
    return detail::call_with(options, nullptr, std::forward<F>(fn), site);
}

/// Waits until the child `p` has finished, and returns its outcome, which is copied from an lvalue
/// and moved out of an rvalue. May be repeated.
///
/// Throws `not_a_child` unless the running task spawned `p`, and `cancelled` when the running task
/// is cancelled meanwhile; never what the child threw. Suspends unless the child has finished;
/// cancellable. OCaml: `Miou.await`.
template <class T>
[[nodiscard]] result<T> await(const promise<T>& p) {
    static_assert(std::is_void_v<T> || std::is_copy_constructible_v<T>,
                  "the value cannot be copied out of the promise: await(std::move(p))");
    detail::await_promise(p.task(), "miou::await");
    return p.task().outcome();
}
template <class T>
[[nodiscard]] result<T> await(promise<T>&& p) {
    detail::await_promise(p.task(), "miou::await");
    return p.task().take();
}

/// `await`, but throws what the child threw. OCaml: `Miou.await_exn`.
template <class T>
T await_exn(const promise<T>& p) {
    return await(p).value();
}
template <class T>
T await_exn(promise<T>&& p) {
    return await(std::move(p)).value();
}

/// Waits until one of the children `promises` (a range or a braced list) has finished, and returns
/// its outcome. Prefers a child that succeeded to one that failed. Chooses among several at random
/// from `g`. The others go on, and still have to be awaited or cancelled. The same promise may
/// occur twice.
///
/// Throws `std::invalid_argument` for an empty list, and what `await` throws. Suspends unless one
/// has finished; cancellable. OCaml: `Miou.await_one`.
template <std::ranges::forward_range Range>
result<detail::promised_t<Range>> await_one(Range&& promises) {
    const auto chosen =
        detail::await_any_of(promises, detail::tasks_of(promises), "miou::await_one");
    return detail::reap_promise(chosen);
}
template <class T>
result<T> await_one(std::initializer_list<promise<T>> promises) {
    return await_one(std::span{promises.begin(), promises.size()});
}
void await_one(detail::different_promises);

/// `await_one`, but cancels the others and waits until they have unwound. If another child has
/// finished too, its value is destroyed, and with it whatever the child has taken, an item of a
/// queue for example. If that must not be lost, call `await_one`, then `await` the others whose
/// `state` is `finished`, and `cancel` the rest. OCaml: `Miou.await_first`.
template <std::ranges::forward_range Range>
result<detail::promised_t<Range>> await_first(Range&& promises) {
    const std::vector<detail::task*> tasks = detail::tasks_of(promises);
    const auto chosen = detail::await_any_of(promises, tasks, "miou::await_first");
    detail::cancel_promises(tasks, &chosen.task(), "miou::await_first");
    return detail::reap_promise(chosen);
}
template <class T>
result<T> await_first(std::initializer_list<promise<T>> promises) {
    return await_first(std::span{promises.begin(), promises.size()});
}
void await_first(detail::different_promises);

/// Waits for all of the children `promises`, whether they fail or not, and returns their outcomes
/// in order. Throws what `await` throws. OCaml: `Miou.await_all`.
template <std::ranges::input_range Range>
std::vector<result<detail::promised_t<Range>>> await_all(Range&& promises) {
    std::vector<result<detail::promised_t<Range>>> outcomes;
    if constexpr (std::ranges::sized_range<Range>)
        outcomes.reserve(std::ranges::size(promises));
    for (auto&& each : promises)
        if constexpr (std::is_copy_constructible_v<result<detail::promised_t<Range>>>)
            outcomes.push_back(await(each));
        else
            outcomes.push_back(await(std::move(each)));
    return outcomes;
}
template <class T>
std::vector<result<T>> await_all(std::initializer_list<promise<T>> promises) {
    return await_all(std::span{promises.begin(), promises.size()});
}
void await_all(detail::different_promises);

/// Cancels the child `p` with its whole subtree, on all domains. Returns once every task of the
/// subtree has unwound; other tasks run meanwhile. The outcome of `p` is `cancelled` then, even if
/// it had finished.
///
/// Throws `not_a_child` unless the running task spawned `p`. Suspends. The wait cannot be
/// cancelled, but `cancelled` is thrown after it if the running task was. OCaml: `Miou.cancel`.
template <class T>
void cancel(const promise<T>& p) {
    detail::cancel_promise(p.task());
}

/// `cancel` of all children in `promises` (a range or a braced list). Cancels all before it waits
/// for the first. No OCaml counterpart.
template <std::ranges::input_range Range>
void cancel_all(Range&& promises) {
    detail::cancel_promises(detail::tasks_of(promises), nullptr, "miou::cancel_all");
}
template <class T>
void cancel_all(std::initializer_list<promise<T>> promises) {
    cancel_all(std::span{promises.begin(), promises.size()});
}

/// Runs `fn(element)` in a task for each element of `elements`, waits for all, and returns their
/// outcomes in order. The tasks are dealt round-robin to the domains other than dom0 and the
/// caller's. Elements and results are copied or moved. All tasks call the same `fn`, concurrently.
///
/// Throws `no_domain_available` and what `await` throws; the remaining tasks are cancelled then.
/// Suspends; cancellable. OCaml: `Miou.parallel`.
template <class F, std::ranges::input_range Range>
auto parallel(F&& fn, Range&& elements, boost::source_location site = BOOST_CURRENT_LOCATION) {
    using element = std::ranges::range_value_t<Range>;
    const std::vector<detail::scheduler*> domains = detail::other_domains("miou::parallel");
    std::vector<promise<std::remove_cvref_t<std::invoke_result_t<F&, element>>>> children;
    for (auto&& each : elements) {
        auto run_one = [&fn, mine = element(detail::taken_from<Range>(each))]() mutable {
            return std::invoke(fn, std::move(mine));
        };
        promise<std::remove_cvref_t<std::invoke_result_t<F&, element>>> child{
            detail::make_task(std::move(run_one), site)};
        children.push_back(std::move(child));
        detail::start(children.back().task(), domains[(children.size() - 1) % domains.size()], {},
                      nullptr);
    }
    return await_all(std::move(children));
}
template <class F, class T>
auto parallel(F&& fn, std::initializer_list<T> elements,
              boost::source_location site = BOOST_CURRENT_LOCATION) {
    return parallel(std::forward<F>(fn), std::span{elements.begin(), elements.size()}, site);
}

/// Moves the running task to the end of its domain's run queue: every task that is ready runs
/// first. Throws `cancelled` and `outside_of_task`. OCaml: `Miou.yield`.
MIOU_API void yield();

/// Runs `fn`, and returns what it returns. Meanwhile defers the cancellation of the running task
/// and of the children that `fn` spawns. For clean-up in normal flow, above all in destructors that
/// suspend. Nests. Throws `outside_of_task`. No OCaml counterpart.
template <class F>
decltype(auto) uncancellable(F&& fn);

/// For libraries of I/O calls, at the beginning of a call that may succeed without parking. Counts
/// the call, and lets other tasks run after `quanta` of them since the task was last resumed.
/// Throws `cancelled` if the running task was cancelled, and `outside_of_task`, naming `caller`. No
/// OCaml counterpart.
MIOU_API void consume_budget(const char* caller = "miou::consume_budget");

namespace detail {

MIOU_API bool in_task() noexcept;
/// Whether there is a running task, and its next suspension will throw `cancelled`.
MIOU_API bool cancellation_due() noexcept;

class MIOU_API uncancellable_section {
public:
    explicit uncancellable_section(const char* caller);
    ~uncancellable_section();
    uncancellable_section(const uncancellable_section&) = delete;
    uncancellable_section& operator=(const uncancellable_section&) = delete;

private:
    const bool outermost_; // nothing else shielded the task before
};

} // namespace detail

template <class F>
decltype(auto) uncancellable(F&& fn) {
    const detail::uncancellable_section during_call{"miou::uncancellable"};
    return std::invoke(std::forward<F>(fn));
}

} // namespace miou

/// Equal for handles on the same task.
template <class T>
struct std::hash<miou::promise<T>> {
    std::size_t operator()(const miou::promise<T>& p) const noexcept { return hash_value(p); }
};
