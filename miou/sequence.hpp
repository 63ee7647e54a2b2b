// A list with handles that remove its elements.
#pragma once

#include "miou/errors.hpp"

#include <boost/intrusive/list.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace miou {

/// The ends of a `sequence`.
enum class direction { left, right };

/// A doubly linked list. As with a standard container, only one thread may use it at a time. That
/// includes its nodes, wherever they are. Nothing suspends. OCaml: `'a Miou.Sequence.t`.
template <class T>
class sequence {
    struct cell;

public:
    /// A handle on an element; copies name the same one. It may outlive the removal of the element
    /// and the sequence itself, and keeps the value alive as long. OCaml: `'a Sequence.node`.
    class node {
    public:
        node(const node&) noexcept = default;
        node& operator=(const node&) noexcept = default;

        /// Takes the element out of its sequence, in constant time. Does nothing if it is out
        /// already.
        void remove() const noexcept {
            if (!cell_->is_linked())
                return;
            cell_->unlink();
            cell_->kept.reset();
        }
        /// The value. It is moved from if `take` took the element out.
        T& data() const noexcept { return cell_->value; }

        friend bool operator==(const node&, const node&) noexcept = default;

    private:
        friend class sequence;
        explicit node(std::shared_ptr<cell> c) noexcept
            : cell_{std::move(c)} {}
        std::shared_ptr<cell> cell_;
    };

    sequence() noexcept = default;
    sequence(const sequence&) = delete;
    sequence& operator=(const sequence&) = delete;
    ~sequence() { drop(); }

    /// Adds `value` at the end `to`. Throws `std::bad_alloc` and what moving throws.
    node add(direction to, T value) {
        const node made{std::make_shared<cell>(std::move(value))};
        made.cell_->kept = made.cell_;
        if (to == direction::left)
            cells_.push_front(*made.cell_);
        else
            cells_.push_back(*made.cell_);
        return made;
    }

    /// Removes the element at the end `from` and returns it. Throws `empty` and what moving throws;
    /// the sequence is unchanged then.
    T take(direction from) {
        const node taken = peek_node(from);
        T value = std::move(taken.data());
        taken.remove();
        return value;
    }

    /// The node at the end `from`. Throws `empty`.
    node peek_node(direction from) {
        if (is_empty())
            throw empty{};
        return node{(from == direction::left ? cells_.front() : cells_.back()).kept};
    }

    /// Removes all elements.
    void drop() noexcept {
        while (!cells_.empty())
            node{cells_.front().kept}.remove();
    }

    /// Whether there is no element.
    bool is_empty() const noexcept { return cells_.empty(); }
    /// The number of elements. Takes linear time.
    std::size_t length() const noexcept { return cells_.size(); }

    /// Whether `f(T&)` holds for one of the elements. Asks from the left, until it does.
    template <class F>
    bool exists(F&& f) {
        for (const node& each : nodes())
            if (each.cell_->is_linked() && std::invoke(f, each.data()))
                return true;
        return false;
    }

    /// Calls `f(T&)` for each element, from the left. `f` may change the sequence: elements that
    /// were added or removed meanwhile are left out.
    template <class F>
    void iter(F&& f) {
        iter_node([&](const node& each) { std::invoke(f, each.data()); });
    }
    /// The same with `f(node)`.
    template <class F>
    void iter_node(F&& f) {
        for (const node& each : nodes())
            if (each.cell_->is_linked())
                std::invoke(f, each);
    }

    /// Copies of all elements, from the left.
    std::vector<T> to_list() const {
        std::vector<T> copies;
        for (const cell& each : cells_)
            copies.push_back(each.value);
        return copies;
    }

private:
    struct cell : boost::intrusive::list_base_hook<
                      boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
        explicit cell(T v)
            : value{std::move(v)} {}
        T value;
        std::shared_ptr<cell> kept = {}; // itself, while it is in a sequence
    };

    std::vector<node> nodes() {
        std::vector<node> all;
        for (cell& each : cells_)
            all.push_back(node{each.kept});
        return all;
    }

    boost::intrusive::list<cell, boost::intrusive::constant_time_size<false>> cells_;
};

} // namespace miou
