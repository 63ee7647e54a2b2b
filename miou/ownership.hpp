// Resources that a task must give back.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/resource.hpp"

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace miou {

/// A proof of ownership: a handle on a value and the finaliser that gives it back. Copies name the
/// same resource. A task that owns a resource must `disown`, `release` or `transfer` it before it
/// returns. Otherwise the finaliser runs, and the run ends with `resource_leaked`. When the owner
/// ends by an exception or a cancellation, the finaliser runs, after the owner's children have
/// unwound.
///
/// Every member function but the constructor needs a running task (`outside_of_task`), and throws
/// `std::invalid_argument` when this was moved from. None suspends. OCaml: `Miou.Ownership.t`.
class MIOU_API ownership {
public:
    /// A new resource that nobody owns yet. `finally(value)` runs at most once, on the domain of
    /// the owner.
    /// OCaml: `Ownership.create ~finally v`.
    template <class T, class F>
    ownership(T&& value, F&& finally)
        : resource_{std::make_shared<of<std::decay_t<T>, std::decay_t<F>>>(
              std::forward<T>(value), std::forward<F>(finally))} {}
    /// Without a value: `finally()`.
    template <class F>
    requires std::is_invocable_v<std::decay_t<F>&>
    explicit ownership(F&& finally)
        : ownership{nullptr, [fn = std::forward<F>(finally)](std::nullptr_t) mutable { fn(); }} {}

    /// Makes the running task the owner. Throws `std::invalid_argument` if it is already, and
    /// `not_owner` if another task is.
    void own() const;
    /// Ends the ownership without the finaliser: the running task has given the resource back
    /// itself. Throws `not_owner`.
    void disown() const;
    /// Runs the finaliser and ends the ownership. Throws `not_owner`, and what the finaliser
    /// throws; the resource counts as given back all the same.
    void release() const;
    /// Makes the parent of the running task the owner, on whichever domain it lives. The parent can
    /// rely on that once it has awaited this task. Throws `not_owner`, and `std::invalid_argument`
    /// in the root task.
    void transfer() const;
    /// Throws `not_owner` unless the running task is the owner.
    void check() const;

    // For spawning functions, to give a resource to a child that was not spawned yet. `claim_for`
    // gives what nobody owns, and may fail, so it comes first; `give_to` gives what the running
    // task owns. Throw `not_owner`.
    void require_givable(const char* caller) const;
    void claim_for(detail::task& child, const char* caller) const;
    void give_to(detail::task& child) const noexcept;

private:
    template <class T, class F>
    struct of final : detail::resource {
        template <class U, class G>
        of(U&& v, G&& f)
            : value(std::forward<U>(v))
            , finally(std::forward<G>(f)) {}
        void finalise() override { std::invoke(finally, value); }
        T value;
        F finally;
    };

    detail::resource& resource() const;

    std::shared_ptr<detail::resource> resource_;
};

} // namespace miou
