// The mailbox of a domain: what any thread may send to it.
#pragma once

#include "miou/detail/atomic.hpp"

#include <cassert>
#include <cstdint>

namespace miou::detail {

enum class mail_kind : std::uint8_t {
    run,      // a task to put on the run queue: new here, or woken
    cancel,   // a task to cancel with its whole subtree
    scope,    // a cancel_scope of a task that lives here
    finished, // a task whose parent lives here has finished
    resource, // a resource to hand to a task that lives here
    signals,  // POSIX signals are pending (dom0)
    stop,     // leave the loop
};

/// An intrusive link. A mail is in at most one inbox or queue at a time. Whoever takes it out may
/// reuse or free it.
struct mail {
    mail* next = nullptr;
    mail_kind kind;

    explicit mail(mail_kind k) noexcept
        : kind{k} {}
    ~mail() { assert(!queued_); }

    /// Called when it enters or leaves an inbox or a queue.
    void set_queued([[maybe_unused]] bool now) noexcept {
        assert(queued_ != now);
#ifndef NDEBUG
        queued_ = now;
#endif
    }

private:
    // Only for assertions. In every build, because a program may be built without assertions.
    [[maybe_unused]] bool queued_ = false;
};

/// A lock-free multi-producer, single-consumer queue, in order for each producer. One atomic word:
///
///     empty ---- push ----> list ---- push ----> list
///      |  ^                  |
///      |  +----- take_all ---+
///      | try_sleep
///      v
///     sleeping -- push --> list      this push, and only this, reports that the owner sleeps
///      |
///      +------- take_all --> empty   (the owner woke for another reason)
///
/// "The mailbox is empty" and "I sleep" are one transition, so no wake-up can be lost between them,
/// and a sleeping owner is woken at most once per sleep.
class inbox {
public:
    /// Any thread. Returns true if the owner sleeps: the caller must wake it.
    [[nodiscard]] bool push(mail& m) noexcept {
        m.set_queued(true);
        mail* seen = head_.load(memory_order_relaxed);
        do
            m.next = seen == sleeping() ? nullptr : seen;
        while (!head_.compare_exchange_weak(seen, &m, memory_order_release, memory_order_relaxed));
        return seen == sleeping(); // release pairs with the acquire in take_all
    }

    /// Owner. Also true after `try_sleep`, until `take_all`.
    bool has_mail() const noexcept { return head_.load(memory_order_relaxed) != nullptr; }

    /// Owner. Returns false if there is mail: do not sleep then.
    [[nodiscard]] bool try_sleep() noexcept {
        mail* seen = nullptr;
        return head_.compare_exchange_strong(seen, sleeping(), memory_order_relaxed);
    }

    /// Owner. Returns everything sent so far, oldest first. Ends a sleep.
    mail* take_all() noexcept {
        mail* newest = head_.exchange(nullptr, memory_order_acquire);
        if (newest == sleeping())
            return nullptr;
        mail* oldest = nullptr;
        while (newest != nullptr) {
            mail* const older = newest->next;
            newest->set_queued(false);
            newest->next = oldest;
            oldest = newest;
            newest = older;
        }
        return oldest;
    }

private:
    static mail* sleeping() noexcept { return reinterpret_cast<mail*>(std::uintptr_t{1}); }

    // On a cache line of its own: other threads write it, the owner reads it at every switch.
    alignas(64) atomic<mail*> head_ = nullptr;
};

/// A FIFO queue of mails that belong to one domain.
class intrusive_queue {
public:
    bool empty() const noexcept { return head_ == nullptr; }
    void push(mail& m) noexcept {
        m.set_queued(true);
        m.next = nullptr;
        *tail_ = &m;
        tail_ = &m.next;
    }
    /// The oldest, or null. Does not take it out.
    mail* front() const noexcept { return head_; }
    /// Takes out the oldest, or returns null.
    mail* pop() noexcept {
        mail* const m = head_;
        if (m == nullptr)
            return nullptr;
        m->set_queued(false);
        if ((head_ = m->next) == nullptr)
            tail_ = &head_;
        return m;
    }

private:
    mail* head_ = nullptr;
    mail** tail_ = &head_;
};

} // namespace miou::detail
