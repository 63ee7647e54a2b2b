// A queue between tasks, on any domains, and plain threads.
#pragma once

#include "miou/detail/atomic.hpp"
#include "miou/detail/spinlock.hpp"
#include "miou/errors.hpp"

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

namespace miou {

/// An unbounded first-in first-out queue that any number of tasks, hooks and threads may use at
/// once. Each call takes effect at one moment. No call suspends. The lock inside is held for a few
/// instructions, and never while a function of `T` or a callback runs, so those may do anything.
///
/// The functions that look at elements without removing them need a `T` that can be copied. An
/// element that is removed while somebody looks at it is copied instead of moved. OCaml: `'a
/// Miou.Queue.t`.
template <class T>
class queue {
public:
    queue() noexcept = default;
    queue(const queue&) = delete;
    queue& operator=(const queue&) = delete;

    /// Appends `value`. Throws `std::bad_alloc` and what moving `value` throws; the queue is then
    /// unchanged.
    void enqueue(T value) {
        node_ptr made{new node{std::move(value)}};
        const std::scoped_lock held{guard_};
        node* const last = made.get();
        (elements_.first ? elements_.last->next : elements_.first) = std::move(made);
        elements_.last = last;
        ++elements_.size;
    }

    /// Removes the first element and returns it. Throws `empty`. If moving the element throws, puts
    /// it back at the front; others may have taken later elements in between.
    T dequeue() {
        node_ptr mine = take_first();
        if (!mine)
            throw empty{};
        try {
            return T(std::move(mine->value));
        } catch (...) {
            put_back(std::move(mine));
            throw;
        }
    }

    /// A copy of the first element. Throws `empty` and what copying throws.
    T peek() const
    requires std::copy_constructible<T>
    {
        const chain seen = snapshot();
        if (!seen.first)
            throw empty{};
        return T(seen.first->value);
    }

    /// The answer may be outdated at once, like that of `length`.
    bool is_empty() const noexcept { return length() == 0; }
    std::size_t length() const noexcept {
        const std::scoped_lock held{guard_};
        return elements_.size;
    }

    /// Calls `f(const T&)` for all elements that the queue had at one moment, from the first to the
    /// last, whatever others do to the queue meanwhile. Throws what `f` throws.
    template <std::invocable<const T&> F>
    requires std::copy_constructible<T>
    void iter(F&& f) const {
        for_each(snapshot(), [&](const node& each) { std::invoke(f, each.value); });
    }

    /// Copies of all elements that the queue had at one moment.
    std::vector<T> to_list() const
    requires std::copy_constructible<T>
    {
        chain seen = snapshot();
        std::vector<T> copies;
        copies.reserve(seen.size);
        for_each(std::move(seen), [&](const node& each) { copies.push_back(each.value); });
        return copies;
    }

    /// Empties the queue at one moment, then calls `f(T&&)` for all its elements, from the first to
    /// the last. If `f` throws, the rest is discarded.
    template <std::invocable<T> F>
    void drop(F&& f) {
        for_each(detach(), [&](node& each) {
            if constexpr (std::copy_constructible<T>)
                if (!each.is_mine())
                    return void(std::invoke(f, T(each.value)));
            std::invoke(f, std::move(each.value));
        });
    }

    /// Moves all elements at one moment to a new queue, in constant time. Throws nothing.
    [[nodiscard]] queue transfer() noexcept { return queue{detach()}; }

private:
    struct node;
    using node_ptr = boost::intrusive_ptr<node>;

    /// Reference-counted: a reader of an element keeps it and all later ones alive. `next` is
    /// written once, under the lock. A reader follows only links that were written before.
    struct node {
        T value;
        node_ptr next = {};
        detail::atomic<std::size_t> owners = 0;

        /// Whether the caller has the only path to this node. Acquire: earlier readers have
        /// finished.
        bool is_mine() const noexcept { return owners.load(detail::memory_order_acquire) == 1; }

        friend void intrusive_ptr_add_ref(node* n) noexcept {
            n->owners.fetch_add(1, detail::memory_order_relaxed);
        }
        /// A loop, because recursion over a long queue would overflow the stack of a task.
        friend void intrusive_ptr_release(node* n) noexcept {
            while (n && n->owners.fetch_sub(1, detail::memory_order_acq_rel) == 1)
                delete std::exchange(n, n->next.detach());
        }
    };

    struct chain {
        node_ptr first = {};
        node* last = nullptr; // valid if there is a first
        std::size_t size = 0;
    };

    explicit queue(chain all) noexcept
        : elements_{std::move(all)} {}

    chain snapshot() const noexcept {
        const std::scoped_lock held{guard_};
        return elements_;
    }

    chain detach() noexcept {
        const std::scoped_lock held{guard_};
        return std::exchange(elements_, chain{});
    }

    template <class F>
    static void for_each(chain all, F f) {
        node_ptr at = std::move(all.first);
        for (std::size_t left = all.size; left > 0; --left) {
            f(*at);
            if (left > 1) // the `next` of the last one may be being written
                at = at->next;
        }
    }

    /// Removes the first element and returns it, or a copy if somebody looks at it. Null if there
    /// is none. The copy is made before the removal, so nothing is lost if copying throws.
    node_ptr take_first() {
        for (node_ptr seen, copy;;) {
            std::unique_lock held{guard_};
            if (!elements_.first)
                return nullptr;
            if (elements_.first == seen) {
                unlink_first();
                return copy;
            }
            if (elements_.first->is_mine())
                return unlink_first();
            node_ptr first = elements_.first;
            held.unlock();
            seen = std::move(first);
            if constexpr (std::copy_constructible<T>)
                copy.reset(new node{seen->value});
        }
    }

    node_ptr unlink_first() noexcept {
        node_ptr& first = elements_.first;
        node_ptr next = first->is_mine() ? std::move(first->next) : first->next;
        --elements_.size;
        return std::exchange(first, std::move(next));
    }

    void put_back(node_ptr mine) noexcept {
        const std::scoped_lock held{guard_};
        if (!elements_.first)
            elements_.last = mine.get();
        mine->next = std::move(elements_.first);
        elements_.first = std::move(mine);
        ++elements_.size;
    }

    mutable detail::spinlock guard_;
    chain elements_;
};

} // namespace miou
