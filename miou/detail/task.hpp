// The control block of a task: everything but the type of its function and result.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/atomic.hpp"
#include "miou/detail/identity.hpp"
#include "miou/detail/inbox.hpp"
#include "miou/detail/trigger_state.hpp"
#include "miou/spawn_site.hpp"
#include "miou/uid.hpp"

#include <boost/intrusive/list.hpp>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace miou {

/// `running`, then `exited` (by an exception or a cancellation) or `finished` (with a value).
/// OCaml: `Miou.Promise.state`.
enum class promise_state : std::uint8_t { running, exited, finished };

} // namespace miou

namespace miou::detail {

namespace intrusive = boost::intrusive;

class fiber;
class scheduler;
struct resource;
struct orphanage;
struct scope;
struct waiter;

using list_hook = intrusive::list_member_hook<intrusive::link_mode<intrusive::normal_link>>;

// Two bases, so that a task can be in its run queue and be sent a cancellation at the same time.
// Each has a field of `task` that fits into the hole behind a mail.
struct run_mail : mail {
    run_mail() noexcept
        : mail{mail_kind::run} {}
    std::uint32_t live_children = 0; // home only: how many have not ended
};
struct cancel_mail : mail {
    explicit cancel_mail(std::uint32_t line) noexcept
        : mail{mail_kind::cancel}
        , site_line{line} {}
    const std::uint32_t site_line; // any thread
};

/// The life of a task, as its own domain sees it:
///
///     created --> queued --> running --> finishing --> finished
///                   ^          |            |
///                   |          v            |  (waits for its children to unwind)
///                   +------- parked <-------+
///
/// It gets a fiber when it runs for the first time, and never changes its domain.
///
/// The fields are grouped by the domain that may touch them. `home` and the parent's domain are
/// often the same. A field passes from one to the other with a mail, whose release and acquire
/// order the accesses.
class MIOU_API task : public run_mail, public cancel_mail, public wakeable {
public:
    task(spawn_site at) noexcept
        : cancel_mail{at.line}
        , site_file{at.file} {}
    task(const task&) = delete;
    task& operator=(const task&) = delete;

    // Memory comes from the pool of the domain that spawns. It goes to the pool of the domain that
    // drops the last reference, or to the heap outside of domains.
    static void* operator new(std::size_t size);
    static void operator delete(void* block, std::size_t size) noexcept;
    // Functions and values that need more than the usual alignment go to the heap.
    static void* operator new(std::size_t size, std::align_val_t alignment) {
        return ::operator new(size, alignment);
    }
    static void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
        ::operator delete(block, alignment);
    }

    // Small fields come last, so that a task has no holes. Flags of different owners are in
    // different bytes.

    // --- Home only. Next to the links of the queues, because every switch reads the first ones.
    fiber* context = nullptr; // from the first run until it finished
    union {
        trigger_state* waiting_on = nullptr; // while parked on a signal
        waiter* waiting_as;                  // while parked in a list
    };
    scope* scopes = nullptr;             // the innermost one
    std::shared_ptr<resource> resources; // head of the list of those that it owns

    // --- Any thread; immutable once spawned.
    scheduler* home = nullptr; // valid while the run lasts
    task* parent = nullptr;    // valid until this task has ended and was reaped; null for the root
    std::uint64_t uid = 0;
    identity parent_identity = 0; // valid even when the parent is gone
    const char* const site_file;  // the place in the user's source that spawned it

    // --- Parent's domain only.
    orphanage* orphans = nullptr; // those that keep it
    list_hook sibling;            // in parent->children
    list_hook orphan;             // in one of the lists of `orphans`
    using sibling_list =
        intrusive::list<task, intrusive::member_hook<task, list_hook, &task::sibling>,
                        intrusive::constant_time_size<false>>;
    using orphan_list =
        intrusive::list<task, intrusive::member_hook<task, list_hook, &task::orphan>,
                        intrusive::constant_time_size<false>>;

    sibling_list children; // Home only: all that were not reaped, including those that have ended

    // --- Home until `ended`, then the parent's domain. Null if it returned a value. While it runs:
    // the rule that it has broken.
    std::exception_ptr error;

    // --- Home only.
    std::uint32_t live_children = 0;            // how many have not ended
    atomic<std::uint32_t> references_ = handle; // any thread
    std::uint16_t shields = 0;                  // depth of uncancellable sections
    enum class parking : std::uint8_t { none, on_children, on_signal, in_list };
    parking parked : 2 = parking::none;
    bool waits_for_all : 1 = false;   // only the end of its last child wakes it
    bool cancelled : 1 = false;       // level-triggered, for ever
    bool interrupted : 1 = false;     // it or one of its scopes was cancelled
    bool woken_by_cancel : 1 = false; // how the last park ended
    bool broke_rule : 1 = false;      // `error` is not what its function threw
    bool finishing : 1 = false;       // its function has returned or thrown

    // --- Parent's domain only.
    std::uint8_t : 0;
    bool ended : 1 = false;   // its end has reached the parent's domain
    bool reaped : 1 = false;  // awaited or cancelled: rule 1 is satisfied
    bool watched : 1 = false; // its end wakes the parent
    bool cancel_sent : 1 = false;
    bool shielded : 1 = false;          // spawned while its parent was uncancellable
    bool is_signal_handler : 1 = false; // rule 1 does not apply to it; its failure is logged

    // --- Any thread.
    atomic<promise_state> state = promise_state::running;

    /// References: one for its place in the tree, one for a cancellation on its way, and one for
    /// each handle. Dropping the last one deletes the task.
    void add_handle() noexcept { references_.fetch_add(handle, memory_order_relaxed); }
    void drop_handle() noexcept { drop(handle); }
    bool has_one_handle() const noexcept {
        return references_.load(memory_order_acquire) / handle == 1;
    }
    /// To be called before another thread knows the task.
    void enter_tree() noexcept {
        references_.store(references_.load(memory_order_relaxed) + in_tree, memory_order_relaxed);
    }
    void leave_tree() noexcept { drop(in_tree); }
    /// Mails the task its cancellation, once. The mail counts as a reference. On the parent's
    /// domain; for the root, on that of the first failure.
    void send_cancellation() noexcept;
    /// To be called when the mail has been read.
    void drop_cancellation() noexcept { drop(in_mail); }

    /// Puts the task on the run queue of its domain. Any thread, once per park.
    void wake() noexcept override;
    const task* as_task() const noexcept override { return this; }

    /// Runs the function, and keeps its value or what it throws.
    virtual void invoke() noexcept = 0;
    /// Destroys the function with its captures, once, whether it has run or not.
    virtual void drop_function() noexcept = 0;
    /// Destroys the value of a finished task.
    virtual void drop_value() noexcept = 0;

    /// `task 12 (spawned at echo.cpp:45)`.
    std::string describe() const;
    /// The same, in pieces: also in a signal handler.
    void describe(void (*add)(void* text, std::string_view piece), void* text) const;
    promise_uid number() const noexcept { return promise_uid{uid}; }

protected:
    virtual ~task() = default;
    /// Calls `fn`, and keeps what it throws. Inlined, so that a throw of `fn` finds the handler in
    /// its own frame: each further frame costs as much as ten switches.
    template <class F>
    [[gnu::always_inline]] void keep_error_of(F&& fn) noexcept {
        try {
            std::forward<F>(fn)();
        } catch (...) {
            error = std::current_exception();
            broke_rule = false; // a task that fails is forgiven
        }
    }

    // Home until `ended`, then whoever drops the last reference.
    std::uint8_t : 0;
    bool has_function_ : 1 = true;
    bool has_value_ : 1 = false;

private:
    void drop_outcome() noexcept {
        drop_value();
        error = nullptr;
    }

    static constexpr std::uint32_t in_tree = 1;
    static constexpr std::uint32_t in_mail = 2;
    static constexpr std::uint32_t handle = 4;

    void drop(std::uint32_t what) noexcept {
        const std::uint32_t before = references_.load(memory_order_acquire);
        assert(what == handle ? before >= handle : (before & what) != 0);
        // This is the only reference, so nobody can add another. No atomic write is needed.
        if (before == what)
            return delete this;
        // Then only a late cancellation is left. The scheduler that will read it must not run the
        // destructor of the user's value, which may suspend. So the value goes now.
        if (before == what + in_mail)
            drop_outcome();
        if (references_.fetch_sub(what, memory_order_acq_rel) == what)
            delete this;
    }
};

/// Keeps cancellation from the running task while it lives.
class shield {
public:
    explicit shield(task& running) noexcept
        : self_{running} {
        ++self_.shields;
    }
    ~shield() {
        assert(self_.shields != 0);
        --self_.shields;
    }
    shield(const shield&) = delete;
    shield& operator=(const shield&) = delete;

private:
    task& self_;
};

} // namespace miou::detail
