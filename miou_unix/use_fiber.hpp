// Any asynchronous operation of Asio, or of a library built on it, as a plain call.
#pragma once

#include "miou/config.hpp"
#include "miou_unix/detail/fiber_call.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <cstddef>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace miou_unix {

/// `use_fiber[error]`: see `use_fiber`.
struct use_fiber_with_error {
    boost::system::error_code& error;
};

/// The type of `use_fiber`.
struct use_fiber_t {
    /// Reports errors in `error` instead of throwing them.
    use_fiber_with_error operator[](boost::system::error_code& error) const noexcept {
        return {error};
    }

    /// An executor whose objects take `use_fiber` where no token is given.
    template <class Executor>
    struct executor_with_default : Executor {
        using default_completion_token_type = use_fiber_t;
        executor_with_default(const Executor& from) noexcept
            : Executor{from} {}
        template <class Other>
        requires(!std::is_same_v<Other, executor_with_default> &&
                 std::is_convertible_v<const Other&, Executor>)
        executor_with_default(const Other& from) noexcept
            : Executor{from} {}
    };
    /// `Object`, a socket for example, that takes `use_fiber` where no token is given.
    template <class Object>
    using as_default_on_t = typename Object::template rebind_executor<
        executor_with_default<typename Object::executor_type>>::other;
};

/// A completion token. Pass it where an `async_` function of Asio, Beast, Asio's SSL or any library
/// built on Asio takes its handler. The function becomes a plain call, which parks only the running
/// task and returns what the handler would be given: nothing, one value, or a tuple.
///
///     std::size_t n = socket.async_read_some(asio::buffer(data), use_fiber);
///     asio::async_connect(socket, endpoints, use_fiber[error]);
///
/// An error (`error_code` or `exception_ptr` as the first argument of the handler) is thrown as
/// `boost::system::system_error`, or stored by `use_fiber[error]`. The same happens with
/// `operation_aborted` if the library drops the handler without calling it. The error names no line
/// of the library's source.
///
/// Suspends unless the operation completes at once; cancellable. When the task is cancelled, a
/// handler of this domain cancels the operation by its cancellation slot. The call then waits for
/// the operation's handler, and until the library has given back all memory of the handler's
/// allocator. Then it throws `miou::cancelled`, and nothing of the operation is queued anywhere. It
/// waits for an operation that ignores its slot, like `async_resolve`, until that ends by itself.
///
/// If the operation has completed all the same, the call returns its result, and the next call
/// throws `miou::cancelled`. A success counts as completed, and so does everything without an error
/// as the first argument. An operation of several steps that was cancelled has not completed:
/// `use_fiber[error]` throws `miou::cancelled` for it, too. If the rest of the stream is still
/// wanted, `asio::as_tuple(use_fiber)` returns the error and the number of bytes transferred.
///
/// Throws `miou::outside_of_task` and `miou::no_select_provided` before anything is started.
///
/// For objects built on `executor()` of the same domain. The handler may be called on any thread,
/// but a cancellation is safe only if the operation runs on this domain. No OCaml counterpart.
inline constexpr use_fiber_t use_fiber{};

namespace detail {

/// The error without the line of the library's source, which would be in every message.
inline boost::system::error_code without_location(const boost::system::error_code& error) noexcept {
    return error.has_location() ? boost::system::error_code{error.value(), error.category()}
                                : error;
}
[[noreturn]] MIOU_API void throw_without_location(const boost::system::error_code& error);
/// Also strips a `system_error`, which coroutines make of an error.
[[noreturn]] MIOU_API void rethrow_without_location(const std::exception_ptr& thrown);

/// The arguments of the handler. Written by the handler, read after `fiber_call::wait`.
template <class... Args>
struct fiber_outcome {
    std::optional<std::tuple<Args...>> values;
    std::exception_ptr failure; // moving the values here threw
};

template <class Error, class... Args>
inline constexpr bool begins_with = false;
template <class Error, class... Rest>
inline constexpr bool begins_with<Error, Error, Rest...> = true;

template <class... Args>
inline constexpr bool has_error_code = begins_with<boost::system::error_code, Args...>;
template <class... Args>
inline constexpr bool has_exception = begins_with<std::exception_ptr, Args...>;

/// The handler. The call is finished when it has run, or is destroyed without having run.
template <class... Args>
class fiber_handler {
public:
    using executor_type = fiber_call::executor_type;
    using allocator_type = call_memory::allocator<std::byte>;
    using cancellation_slot_type = boost::asio::cancellation_slot;

    fiber_handler(fiber_call& call, fiber_outcome<Args...>& outcome) noexcept
        : call_{&call}
        , outcome_{&outcome} {}
    fiber_handler(fiber_handler&& from) noexcept
        : call_{from.call_}
        , outcome_{std::exchange(from.outcome_, nullptr)} {}
    fiber_handler& operator=(fiber_handler&&) = delete;
    ~fiber_handler() {
        if (outcome_ != nullptr)
            call_->finish();
    }

    // Also valid after it was moved from.
    executor_type get_executor() const noexcept { return call_->executor(); }
    allocator_type get_allocator() const noexcept { return call_->memory().get(); }
    cancellation_slot_type get_cancellation_slot() const noexcept { return call_->slot(); }

    template <class... Given>
    void operator()(Given&&... given) noexcept {
        fiber_outcome<Args...>& outcome = *std::exchange(outcome_, nullptr);
        try {
            outcome.values.emplace(std::forward<Given>(given)...);
        } catch (...) {
            outcome.failure = std::current_exception();
        }
        call_->finish();
    }

private:
    fiber_call* call_;
    fiber_outcome<Args...>* outcome_; // null: it has run, or was moved from
};

/// Nothing, the only value, or a tuple of them, without the first `Skipped`.
template <std::size_t Skipped, class Tuple>
auto returned(Tuple values) {
    constexpr std::size_t count = std::tuple_size_v<Tuple> - Skipped;
    if constexpr (count == 1)
        return std::get<Skipped>(std::move(values));
    else if constexpr (count > 1)
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return std::tuple{std::get<Skipped + I>(std::move(values))...};
        }(std::make_index_sequence<count>{});
}

/// How `use_fiber` reports the error.
struct error_thrower {
    void operator()(const boost::system::error_code& error) const {
        if (error)
            throw_without_location(error);
    }
};

/// How `use_fiber[error]` reports the error.
struct error_store {
    void operator()(const boost::system::error_code& error) const noexcept {
        to = without_location(error);
    }
    boost::system::error_code& to;
};

/// Makes the call and waits. Passes the error code, if there is one, to `report`.
template <class... Args>
class fiber_initiation {
public:
    template <class Report, class Initiation, class... Arguments>
    static auto run(Report report, Initiation&& initiation, Arguments&&... arguments) {
        static_assert((std::is_same_v<Args, std::decay_t<Args>> && ...),
                      "use_fiber: the completion signature must pass its values by value");
        fiber_outcome<Args...> outcome;
        {
            fiber_call call;
            try {
                std::forward<Initiation>(initiation)(fiber_handler<Args...>{call, outcome},
                                                     std::forward<Arguments>(arguments)...);
            } catch (...) {
                call.abandon(); // the handler may have been kept
                throw;
            }
            const std::exception_ptr cancellation = call.wait();
            if (outcome.failure)
                std::rethrow_exception(outcome.failure);
            if (cancellation && !has_completed(outcome))
                std::rethrow_exception(cancellation);
        }
        if (!outcome.values)
            return of_dropped(report);
        if constexpr (has_exception<Args...>)
            if (const std::exception_ptr& thrown = std::get<0>(*outcome.values))
                rethrow_without_location(thrown);
        if constexpr (has_error_code<Args...>)
            report(std::get<0>(*outcome.values));
        return returned<skipped>(std::move(*outcome.values));
    }

private:
    static constexpr std::size_t skipped = has_error_code<Args...> || has_exception<Args...>;
    using result = decltype(returned<skipped>(std::declval<std::tuple<Args...>>()));

    static bool has_completed(const fiber_outcome<Args...>& outcome) noexcept {
        if constexpr (skipped != 0)
            return outcome.values && !std::get<0>(*outcome.values);
        else
            return outcome.values.has_value();
    }

    template <class Report>
    static result of_dropped(Report& report) {
        const boost::system::error_code aborted = boost::asio::error::operation_aborted;
        if constexpr (has_error_code<Args...>)
            report(aborted);
        if constexpr (std::is_void_v<result> && has_error_code<Args...>)
            return;
        else if constexpr (std::is_default_constructible_v<result> && has_error_code<Args...>)
            return result{};
        else
            throw_without_location(aborted);
    }
};

} // namespace detail
} // namespace miou_unix

namespace boost::asio {

/// How Asio's functions take `use_fiber`.
template <class R, class... Args>
class async_result<miou_unix::use_fiber_t, R(Args...)> {
public:
    /// Makes the call and waits; see `use_fiber`.
    template <class Initiation, class... Arguments>
    static auto initiate(Initiation&& initiation, const miou_unix::use_fiber_t&,
                         Arguments&&... arguments) {
        return miou_unix::detail::fiber_initiation<Args...>::run(
            miou_unix::detail::error_thrower{}, std::forward<Initiation>(initiation),
            std::forward<Arguments>(arguments)...);
    }
};

/// How Asio's functions take `use_fiber[error]`.
template <class R, class... Args>
class async_result<miou_unix::use_fiber_with_error, R(Args...)> {
    static_assert(miou_unix::detail::has_error_code<Args...>,
                  "use_fiber[error]: this operation reports no error code; pass use_fiber");

public:
    /// Makes the call and waits; see `use_fiber`.
    template <class Initiation, class... Arguments>
    static auto initiate(Initiation&& initiation, const miou_unix::use_fiber_with_error& token,
                         Arguments&&... arguments) {
        return miou_unix::detail::fiber_initiation<Args...>::run(
            miou_unix::detail::error_store{token.error}, std::forward<Initiation>(initiation),
            std::forward<Arguments>(arguments)...);
    }
};

} // namespace boost::asio
