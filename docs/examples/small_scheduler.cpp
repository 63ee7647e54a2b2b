// A scheduler in a hundred lines, which shows what is inside one. It is a port of
// book/src/scheduler.md of OCaml's Miou. It uses nothing of Miou: an effect is a switch between
// fibers of Boost.Context.

#include <boost/context/fiber.hpp>

#include <deque>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace {

namespace context = boost::context;

/// The value of a task, once there is one.
template <class T>
using promise = std::shared_ptr<std::optional<T>>;

class task;
using todo_list = std::deque<task>;

enum class answer { go_on, yield };

/// What a task asks the scheduler to do.
using effect = std::function<answer(todo_list&)>;

/// A function in one of three states: initial, suspended in an effect, or resolved.
class task {
public:
    explicit task(std::function<void()> fn)
        : continuation_{[fn = std::move(fn)](context::fiber&& handler) {
            running->handler_ = std::move(handler);
            try {
                fn();
            } catch (const context::detail::forced_unwind&) { // the fiber is being destroyed
                throw;
            } catch (...) {
                running->failure_ = std::current_exception();
            }
            return std::move(running->handler_);
        }} {}

    /// Runs the function up to its next effect, unless the last effect is not done yet. Whether the
    /// task is resolved.
    bool step(todo_list& todo) {
        if (effect_ && (*effect_)(todo) == answer::yield)
            return false;
        effect_ = nullptr;
        task* const outer = std::exchange(running, this);
        continuation_ = std::move(continuation_).resume();
        running = outer;
        if (failure_)
            std::rethrow_exception(failure_);
        return !continuation_;
    }

    /// Suspends the running task until `step` has done what it wants.
    static void perform(const effect& wanted) {
        running->effect_ = &wanted;
        context::fiber handler = std::move(running->handler_).resume();
        running->handler_ = std::move(handler);
    }

private:
    static inline task* running = nullptr;

    context::fiber continuation_; // the task, while it does not run
    context::fiber handler_;      // the scheduler, while the task runs
    const effect* effect_ = nullptr;
    std::exception_ptr failure_;
};

/// The value of a task that has none.
using unit = std::monostate;

/// A function that does what `fn` does, and returns a unit if `fn` returns nothing.
template <class F>
auto valued(F fn) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>)
        return [fn]() mutable { return fn(), unit{}; };
    else
        return fn;
}

template <class F>
auto spawn(F f) {
    auto fn = valued(f);
    const auto value = std::make_shared<std::optional<std::invoke_result_t<decltype(fn)&>>>();
    task::perform([&](todo_list& todo) {
        todo.emplace_back([=]() mutable { *value = fn(); });
        return answer::go_on;
    });
    return value;
}

template <class T>
T await(const promise<T>& value) {
    task::perform([&](todo_list&) { return *value ? answer::go_on : answer::yield; });
    return **value;
}

template <class F>
auto run(F f) {
    auto fn = valued(f);
    std::optional<std::invoke_result_t<decltype(fn)&>> result;
    todo_list todo;
    todo.emplace_back([&] { result = fn(); });
    while (!todo.empty()) {
        task next = std::move(todo.front());
        todo.pop_front();
        if (!next.step(todo))
            todo.push_back(std::move(next));
    }
    return *result;
}

} // namespace

int main() {
    const auto fn = [] { std::cout << "World\n"; };

    run([&] {
        const auto prm = spawn(fn);
        std::cout << "Hello\n";
        await(prm);
    });

    const int sum = run([] {
        const auto one = spawn([] { return 1; });
        const auto two = spawn([=] { return await(one) + 1; });
        return await(one) + await(two);
    });
    std::cout << "1 + 2 = " << sum << '\n';
}
