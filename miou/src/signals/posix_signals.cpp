// A POSIX handler may do next to nothing. Ours counts the delivery and posts a semaphore. A thread,
// the relay, waits for that semaphore and mails dom0. It is an ordinary thread, so it may take the
// locks of the user's `events.interrupt`. It lives while some run has a claim.
//
//     handler:  pending[n] += 1, post  -->  relay: owed += pending, mail  -->  dom0: a task each
//
// Each run that has set a signal has a claim to it. The newest claim that is not withdrawn is in
// force: it decides what the kernel does. While none is in force, the kernel does what it did
// before.
//
//                  sys_signal(function)                   another behaviour
//       (no claim) --------------------> function ------------------------------> withdrawn
//                                           ^      or, above another run's claim,     |
//                                           |      action                             |
//                                           +------------- sys_signal(function) ------+
//
//       any --- the run ends, or is left behind by a fork ---> (no claim)
//
// A claim owes every delivery that came while it was in force, even after it is withdrawn.

#include "miou/src/signals/posix_signals.hpp"

#include "miou/blocked_signals.hpp"
#include "miou/detail/atomic.hpp"
#include "miou/errors.hpp"
#include "miou/logs.hpp"
#include "miou/src/scheduler/scheduler.hpp"
#include "miou/src/tree/children.hpp"

#include <pthread.h>
#include <semaphore.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace miou::detail {
namespace {

using function_ptr = std::shared_ptr<signal_behavior::function>;

constinit atomic<unsigned> pending[NSIG] = {};
static_assert(atomic<unsigned>::is_always_lock_free);
sem_t posted; // made with the table, before the first handler is installed

extern "C" {
// static, because namespaces do not hide a C name from the rest of the program.
static void count_delivery(int number) {
    const int saved = errno;
    pending[number].fetch_add(1, memory_order_release); // pairs with credit_deliveries
    ::sem_post(&posted);
    errno = saved;
}
}

/// Throws for a number that is no signal or cannot be handled. Setting the signal cannot fail after
/// that.
struct sigaction current_action(int number) {
    struct sigaction found;
    if (number <= 0 || number >= NSIG || number == SIGKILL || number == SIGSTOP ||
        ::sigaction(number, nullptr, &found) != 0)
        throw std::invalid_argument{"miou::sys_signal: " + std::to_string(number) +
                                    " is no signal, or cannot be handled"};
    return found;
}

/// The claim of one run to one signal.
struct claim {
    enum class kind { withdrawn, function, action };

    scheduler* dom0; // null: no run has it yet, or a fork has left the run behind
    kind is = kind::withdrawn;
    function_ptr fn = {}; // while the kind is `function`, and while deliveries are owed
    struct sigaction action = {};
    unsigned owed = 0; // deliveries that have no task yet

    bool is_in_force() const noexcept { return is != kind::withdrawn; }
};
using claims = std::list<claim>;

struct signal_record {
    claims made;             // oldest first
    claims kept;             // set outside of tasks, for the next run: one or none
    struct sigaction before; // what the kernel did; valid while a claim is in force

    claim* in_force() noexcept {
        const auto newest = std::find_if(made.rbegin(), made.rend(),
                                         [](const claim& each) { return each.is_in_force(); });
        return newest == made.rend() ? nullptr : &*newest;
    }
    bool is_in_force_beside(const scheduler& dom0) const noexcept {
        return std::ranges::any_of(
            made, [&](const claim& each) { return each.is_in_force() && each.dom0 != &dom0; });
    }
    claims::iterator of(const scheduler& dom0) noexcept {
        return std::ranges::find(made, &dom0, &claim::dom0);
    }
};

class handler_task final : public task {
public:
    handler_task(function_ptr fn, int number) noexcept
        : task{fn->site}
        , fn_{std::move(fn)}
        , number_{number} {
        is_signal_handler = true;
    }
    void invoke() noexcept override {
        keep_error_of([this] { fn_->call(number_); });
    }
    void drop_function() noexcept override { fn_.reset(); }
    void drop_value() noexcept override {}

private:
    function_ptr fn_;
    int number_;
};

/// All claims, and the relay. Destroys the user's functions only when it holds no lock.
class signal_table {
public:
    /// Never destroyed, because signals may come while statics are destroyed. Not on the heap,
    /// because the end of a run must not fail.
    static signal_table& instance() noexcept {
        alignas(signal_table) static std::byte place[sizeof(signal_table)];
        static auto* const made = new (place) signal_table;
        return *made;
    }

    signal_behavior set(int number, scheduler& dom0, const signal_behavior& wanted) {
        function_ptr dropped;
        const std::scoped_lock lock{lifecycle_, guard_};
        const struct sigaction now = current_action(number);
        signal_record& at = signals_[number];
        auto mine = at.of(dom0);
        const claim::kind is = kind_for(wanted, at, dom0);
        if (is == claim::kind::function)
            start();
        if (is != claim::kind::withdrawn && mine == at.made.end())
            mine = at.made.insert(mine, claim{&dom0}); // the last that may fail

        claim* const had_it = at.in_force();
        signal_behavior previous = behavior_of(had_it, now);
        if (had_it == nullptr)
            at.before = now;
        if (is != claim::kind::withdrawn)
            at.made.splice(at.made.end(), at.made, mine);
        else if (!wanted.is_handle())
            at.before = wanted.action();
        if (mine != at.made.end()) {
            mine->is = is;
            mine->action = wanted.action();
        }
        apply(number);
        credit_deliveries(number, had_it);
        if (is == claim::kind::function)
            dropped = std::exchange(mine->fn, wanted.fn());
        else if (mine != at.made.end() && mine->owed == 0)
            dropped = std::exchange(mine->fn, nullptr);
        return previous;
    }

    signal_behavior set_outside_of_tasks(int number, const signal_behavior& wanted) {
        claims kept;
        if (wanted.is_handle())
            kept.push_back({nullptr, claim::kind::function, wanted.fn()});
        const std::scoped_lock lock{guard_};
        const struct sigaction now = current_action(number);
        signal_record& at = signals_[number];
        claim* const had_it = at.in_force();
        signal_behavior previous =
            at.kept.empty() ? behavior_of(had_it, now) : signal_behavior{at.kept.front().fn};
        at.kept.swap(kept);
        if (!wanted.is_handle()) {
            for (claim& each : at.made)
                each.is = claim::kind::withdrawn;
            ::sigaction(number, &wanted.action(), nullptr);
            credit_deliveries(number, had_it);
        }
        return previous;
    }

    void adopt(scheduler& dom0) {
        const std::scoped_lock lock{lifecycle_, guard_};
        for (int number = 1; number < NSIG; ++number)
            if (signal_record& at = signals_[number]; !at.kept.empty()) {
                start();
                claim* const had_it = at.in_force();
                if (had_it == nullptr)
                    at.before = current_action(number);
                at.kept.front().dom0 = &dom0;
                at.made.splice(at.made.end(), at.kept);
                apply(number);
                credit_deliveries(number, had_it);
            }
    }

    void restore(scheduler& dom0) noexcept {
        claims dropped;
        const std::scoped_lock until_joined{lifecycle_};
        bool all_gone = true;
        {
            const std::scoped_lock lock{guard_};
            for (int number = 1; number < NSIG; ++number) {
                signal_record& at = signals_[number];
                if (const auto mine = at.of(dom0); mine != at.made.end()) {
                    claim* const had_it = at.in_force();
                    const bool changes = had_it == &*mine && !is_overridden(number, *mine);
                    dropped.splice(dropped.end(), at.made, mine);
                    if (changes)
                        apply(number);
                    credit_deliveries(number, had_it);
                }
                all_gone = all_gone && std::ranges::none_of(at.made, [](const claim& each) {
                               return each.dom0 != nullptr;
                           });
            }
        }
        if (all_gone)
            stop();
    }

    /// A new task, with one handle, for one delivery that this run owes. Null if it owes none.
    task* next_task(const scheduler& dom0) {
        const std::scoped_lock lock{guard_};
        for (int number = 1; number < NSIG; ++number)
            if (const auto mine = signals_[number].of(dom0);
                mine != signals_[number].made.end() && mine->owed != 0) {
                auto* const made = new handler_task{mine->fn, number};
                if (--mine->owed == 0 && mine->is != claim::kind::function)
                    mine->fn = nullptr; // the task shares it
                return made;
            }
        return nullptr;
    }

    /// A fork does not copy the relay to the child.
    void start_again_after_fork() {
        const std::scoped_lock lock{lifecycle_};
        start();
    }

private:
    signal_table() noexcept
        : cannot_follow_forks_{::pthread_atfork([] { instance().lock(); },
                                                [] { instance().unlock(); },
                                                [] {
                                                    instance().leave_behind();
                                                    instance().unlock();
                                                })} {
        ::sem_init(&posted, 0, 0);
    }

    static identity identity_of(const scheduler& dom0) noexcept {
        return dom0.run_of().identity_base;
    }

    /// What the claim of this run becomes.
    static claim::kind kind_for(const signal_behavior& wanted, const signal_record& at,
                                const scheduler& dom0) noexcept {
        if (!wanted.is_handle())
            return at.is_in_force_beside(dom0) ? claim::kind::action : claim::kind::withdrawn;
        const bool is_of_other_run = wanted.run() != 0 && wanted.run() != identity_of(dom0);
        return is_of_other_run ? claim::kind::withdrawn : claim::kind::function;
    }

    static bool is_function(const claim* one) noexcept {
        return one != nullptr && one->is == claim::kind::function;
    }

    static signal_behavior behavior_of(const claim* in_force,
                                       const struct sigaction& now) noexcept {
        return is_function(in_force) ? signal_behavior{in_force->fn, identity_of(*in_force->dom0)}
                                     : signal_behavior{now};
    }

    /// The program has called `sigaction` itself since. Its action is not ours to restore.
    static bool is_overridden(int number, const claim& in_force) noexcept {
        struct sigaction now;
        ::sigaction(number, nullptr, &now);
        return is_function(&in_force) && !does(now, &count_delivery);
    }

    /// Makes the kernel do what the claim in force says.
    void apply(int number) noexcept {
        signal_record& at = signals_[number];
        const claim* const newest = at.in_force();
        const struct sigaction action = newest == nullptr ? at.before
                                        : is_function(newest)
                                            ? action_of(&count_delivery, SA_RESTART)
                                            : newest->action;
        ::sigaction(number, &action, nullptr);
    }

    /// Credits the counted deliveries to `had_it`, the claim that was in force. To be
    /// called after the kernel's action has changed. A claim without a function counts none.
    static void credit_deliveries(int number, claim* had_it) noexcept {
        const unsigned deliveries = pending[number].exchange(0, memory_order_acquire);
        if (had_it != nullptr && had_it->fn != nullptr)
            had_it->owed += deliveries;
    }

    // --- The relay; `lifecycle_` is held.

    void start() {
        if (running_)
            return;
        int error = cannot_follow_forks_;
        if (error == 0) {
            stopping_.store(false, memory_order_relaxed);
            const blocked_signals inherited; // the relay takes no signals itself
            error = ::pthread_create(
                &thread_, nullptr,
                [](void*) -> void* {
                    instance().forward();
                    return nullptr;
                },
                nullptr);
        }
        if (error != 0)
            throw std::system_error{
                error, std::generic_category(),
                "miou::sys_signal: no thread could be started to relay signals"};
        running_ = true;
    }

    void stop() noexcept {
        if (!std::exchange(running_, false))
            return;
        stopping_.store(true, memory_order_relaxed);
        ::sem_post(&posted);
        ::pthread_join(thread_, nullptr);
    }

    /// The relay's thread. It looks before it first waits: a post from before its start may be
    /// lost.
    void forward() noexcept {
        do {
            const std::scoped_lock lock{guard_};
            for (int number = 1; number < NSIG; ++number)
                if (!signals_[number].made.empty()) {
                    credit_deliveries(number, signals_[number].in_force());
                    for (const claim& each : signals_[number].made)
                        if (each.owed != 0)
                            each.dom0->notify_of_signals();
                }
        } while (has_more());
    }
    bool has_more() noexcept {
        while (::sem_wait(&posted) != 0) {
        }
        return !stopping_.load(memory_order_relaxed);
    }

    // --- Around a fork.

    void lock() noexcept {
        lifecycle_.lock();
        guard_.lock();
    }
    void unlock() noexcept {
        guard_.unlock();
        lifecycle_.unlock();
    }

    /// In the child, whose only thread is the caller. The runs on this thread may go on, so their
    /// loops are told to start the relay again. All other runs are gone. Their functions are not
    /// destroyed, because destructors may need the threads that are gone.
    void leave_behind() noexcept {
        running_ = false;
        ::sem_init(&posted, 0, 0);
        for (int number = 1; number < NSIG; ++number) {
            signal_record& at = signals_[number];
            claim* const newest = at.in_force();
            for (claim& each : at.made)
                if (each.dom0 != nullptr && each.dom0->is_of_this_thread()) {
                    each.dom0->notify_of_signals();
                } else {
                    each.dom0 = nullptr;
                    each.is = claim::kind::withdrawn;
                    each.owed = 0;
                }
            if (newest != nullptr && newest->dom0 == nullptr && !is_overridden(number, *newest))
                apply(number);
        }
    }

    std::mutex lifecycle_; // of the relay, which takes only `guard_`; taken before that
    std::mutex guard_;
    signal_record signals_[NSIG];
    const int cannot_follow_forks_; // the error of pthread_atfork, or 0
    bool running_ = false;
    pthread_t thread_ = {};
    atomic<bool> stopping_ = false;
};

} // namespace

void adopt_signals(scheduler& dom0) {
    signal_table::instance().adopt(dom0);
}

void run_signal_handlers(scheduler& dom0) noexcept try {
    task& root = dom0.run_of().root;
    if (root.finishing) // its children are being cancelled: add none
        return;
    signal_table::instance().start_again_after_fork();
    while (task* const made = signal_table::instance().next_task(dom0)) {
        spawn(dom0, root, *made, dom0);
        made->drop_handle();
    }
} catch (const std::system_error& error) {
    logs::write(logs::level::error, error.what());
} catch (...) {
    dom0.notify_of_signals(); // no memory now: try again later
}

void restore_signals(scheduler& dom0) noexcept {
    signal_table::instance().restore(dom0);
}

signal_behavior set_signal(int number, const signal_behavior& wanted, scheduler& dom0) {
    return signal_table::instance().set(number, dom0, wanted);
}

signal_behavior set_signal_outside_of_tasks(int number, const signal_behavior& wanted) {
    return signal_table::instance().set_outside_of_tasks(number, wanted);
}

} // namespace miou::detail
