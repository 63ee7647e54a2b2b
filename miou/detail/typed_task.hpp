// The typed half of a task: its function and its value.
#pragma once

#include "miou/detail/task.hpp"
#include "miou/result.hpp"

#include <boost/system/result.hpp>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

namespace miou::detail {

/// The type of the value of a task that runs an `F`.
template <class F>
using result_of = std::remove_cvref_t<std::invoke_result_t<std::decay_t<F>&&>>;

template <class R>
class typed_task : public task {
    using stored = std::conditional_t<std::is_void_v<R>, std::monostate, R>;

public:
    explicit typed_task(spawn_site at) noexcept
        : task{at} {}
    ~typed_task() override { drop_value(); }

    /// The outcome of a finished task. Copies the value; throws what its copy constructor throws.
    result<R> outcome() const {
        if (error)
            return {boost::system::in_place_error, error};
        if constexpr (std::is_void_v<R>)
            return {boost::system::in_place_value};
        else
            return {boost::system::in_place_value, value_};
    }
    /// The same, but moves the value out.
    result<R> take() {
        if (error)
            return {boost::system::in_place_error, error};
        if constexpr (std::is_void_v<R>)
            return {boost::system::in_place_value};
        else
            return {boost::system::in_place_value, std::move(value_)};
    }

    void drop_value() noexcept final {
        if (this->has_value_) {
            this->has_value_ = false;
            std::destroy_at(&value_);
        }
    }

protected:
    template <class F>
    void keep_result_of(F&& fn) {
        if constexpr (std::is_void_v<R>) {
            std::invoke(std::forward<F>(fn));
            std::construct_at(&value_);
        } else {
            ::new (static_cast<void*>(&value_)) R(std::invoke(std::forward<F>(fn)));
        }
        this->has_value_ = true;
    }

private:
    union {
        stored value_;
    };
};

template <class F, class R>
class task_of final : public typed_task<R> {
public:
    template <class G>
    task_of(G&& fn, spawn_site at)
        : typed_task<R>{at}
        , fn_(std::forward<G>(fn)) {}
    ~task_of() override { drop_function(); } // if the task was never spawned

    void invoke() noexcept override {
        this->keep_error_of([this] { this->keep_result_of(std::move(fn_)); });
    }
    void drop_function() noexcept override {
        if (this->has_function_) {
            this->has_function_ = false;
            std::destroy_at(&fn_);
        }
    }

private:
    union {
        F fn_;
    };
};

/// A counted reference to a task, without the duties of a promise.
template <class R>
class handle {
public:
    /// Takes over a reference.
    explicit handle(typed_task<R>* held) noexcept
        : task_{held} {}
    handle(const handle&) = delete;
    handle& operator=(const handle&) = delete;
    ~handle() { task_->drop_handle(); }
    typed_task<R>& operator*() const noexcept { return *task_; }
    typed_task<R>* operator->() const noexcept { return task_; }

private:
    typed_task<R>* task_;
};

/// A new task, with one handle, which belongs to the caller. Throws what moving the function
/// throws, and `std::bad_alloc`.
template <class F>
auto make_task(F&& fn, spawn_site site) -> typed_task<result_of<F>>* {
    return new task_of<std::decay_t<F>, result_of<F>>(std::forward<F>(fn), site);
}

} // namespace miou::detail
