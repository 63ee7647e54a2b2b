// A POSIX handler may do next to nothing: ours counts the delivery and posts a semaphore. A thread
// of its own, which lives while some signal has a function, waits for that semaphore and mails
// dom0 by the ordinary way, with whatever locks the user's `events.interrupt` takes.
//
//     handler:  pending[n] += 1, post  -->  relay thread: mail to dom0  -->  dom0: a task each

#include "miou/detail/posix_signals.hpp"

#include "miou/detail/atomic.hpp"
#include "miou/detail/family.hpp"
#include "miou/detail/scheduler.hpp"
#include "miou/logs.hpp"
#include "miou/sys_signal.hpp"

#include <semaphore.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

namespace miou {
namespace detail {
namespace {

using handler = signal_behavior::handler;

constinit atomic<unsigned> pending[NSIG] = {};
sem_t posted; // made with the relay, before the first handler is installed
static_assert(atomic<unsigned>::is_always_lock_free);

extern "C" {
// static: a C name is one for the whole program, whatever namespace it stands in.
static void count_delivery(int number) {
    const int saved = errno;
    pending[number].fetch_add(1, memory_order_relaxed); // ordered by the semaphore
    ::sem_post(&posted);
    errno = saved;
}
}

/// A run's function for a signal. Runs nest and overlap: the newest one has the signal.
struct registration {
    scheduler* dom0;
    std::shared_ptr<handler> fn;
};
struct handled_signal {
    std::vector<registration> runs; // never empty
    struct sigaction before;
};

class handler_task final : public task {
public:
    handler_task(std::shared_ptr<handler> fn, int number) noexcept
        : task{spawn_site{}}
        , fn_{std::move(fn)}
        , number_{number} {
        is_signal_handler = true;
    }
    void invoke() override { (*fn_)(number_); }
    void drop_function() noexcept override { fn_.reset(); }
    void drop_value() noexcept override {}

private:
    std::shared_ptr<handler> fn_;
    int number_;
};

/// All signals that have a function, and the thread that relays them.
class relay {
public:
    static relay& instance() {
        static relay* const forever = new relay; // handlers may run while statics are destroyed
        return *forever;
    }

    signal_behavior install(int number, scheduler& dom0, std::shared_ptr<handler> fn) {
        const std::scoped_lock lock{lifecycle_, guard_};
        start();
        const auto found = handled_.find(number);
        if (found == handled_.end()) {
            struct sigaction ours = {};
            ours.sa_handler = &count_delivery;
            ours.sa_flags = SA_RESTART;
            ::sigemptyset(&ours.sa_mask);
            pending[number].store(0, memory_order_relaxed);
            const struct sigaction before = exchange_action(number, ours);
            handled_.emplace(number, handled_signal{{{&dom0, std::move(fn)}}, before});
            return signal_behavior{before};
        }
        std::vector<registration>& runs = found->second.runs;
        signal_behavior previous{runs.back().fn};
        std::erase_if(runs, [&](const registration& each) { return each.dom0 == &dom0; });
        runs.push_back({&dom0, std::move(fn)});
        return previous;
    }

    signal_behavior set(int number, const struct sigaction& action) {
        const std::scoped_lock lock{guard_};
        const struct sigaction before = exchange_action(number, action);
        const auto found = handled_.find(number);
        if (found == handled_.end())
            return signal_behavior{before};
        signal_behavior previous{std::move(found->second.runs.back().fn)};
        handled_.erase(found);
        return previous;
    }

    void restore(scheduler& dom0) noexcept {
        const std::scoped_lock until_joined{lifecycle_};
        std::thread finished;
        {
            const std::scoped_lock lock{guard_};
            for (auto at = handled_.begin(); at != handled_.end();) {
                auto& [number, it] = *at;
                std::erase_if(it.runs,
                              [&](const registration& each) { return each.dom0 == &dom0; });
                if (it.runs.empty()) {
                    ::sigaction(number, &it.before, nullptr);
                    at = handled_.erase(at);
                } else {
                    ++at;
                }
            }
            if (handled_.empty() && thread_.joinable()) {
                stopping_.store(true, memory_order_relaxed);
                ::sem_post(&posted);
                finished = std::move(thread_);
            }
        }
        if (finished.joinable())
            finished.join();
    }

    /// A copy of each function of `dom0` that is due, with how often.
    struct due {
        int number;
        unsigned times;
        std::shared_ptr<handler> fn;
    };
    std::vector<due> take_due(scheduler& dom0) {
        const std::scoped_lock lock{guard_};
        std::vector<due> taken;
        for (auto& [number, it] : handled_)
            if (it.runs.back().dom0 == &dom0)
                if (const unsigned times = pending[number].exchange(0, memory_order_acq_rel))
                    taken.push_back({number, times, it.runs.back().fn});
        return taken;
    }

private:
    relay() noexcept { ::sem_init(&posted, 0, 0); }

    static struct sigaction exchange_action(int number, const struct sigaction& action) {
        struct sigaction before;
        if (::sigaction(number, &action, &before) != 0)
            throw std::invalid_argument{"miou::sys_signal: signal " + std::to_string(number) +
                                        " cannot be handled"};
        return before;
    }

    void start() {
        if (thread_.joinable())
            return;
        stopping_.store(false, memory_order_relaxed);
        sigset_t all, before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before); // inherited: signals go to other threads
        try {
            thread_ = std::thread{[this] { forward(); }};
        } catch (...) {
            ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
            throw;
        }
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    void forward() {
        for (;;) {
            while (::sem_wait(&posted) != 0) {
            }
            if (stopping_.load(memory_order_relaxed))
                return;
            const std::scoped_lock lock{guard_};
            for (auto& [number, it] : handled_)
                if (pending[number].load(memory_order_relaxed) != 0)
                    it.runs.back().dom0->notify_of_signals();
        }
    }

    std::mutex lifecycle_; // of the thread; taken before `guard_`, which the thread takes
    std::mutex guard_;
    std::map<int, handled_signal> handled_;
    std::thread thread_;
    atomic<bool> stopping_ = false;
};

} // namespace

void run_signal_handlers(scheduler& dom0) noexcept try {
    task& root = dom0.run_of().root;
    if (root.finishing) // its children are being cancelled, no new ones
        return;
    for (const relay::due& each : relay::instance().take_due(dom0))
        for (unsigned i = 0; i < each.times; ++i) {
            auto* const made = new handler_task{each.fn, each.number};
            spawn(dom0, root, *made, dom0);
            made->drop_handle();
        }
} catch (...) {
    logs::write(logs::level::error, "no memory for the handler of a signal");
}

void restore_signals(scheduler& dom0) noexcept {
    relay::instance().restore(dom0);
}

} // namespace detail

namespace {

struct sigaction action_of(void (*what)(int)) noexcept {
    struct sigaction action = {};
    action.sa_handler = what;
    ::sigemptyset(&action.sa_mask);
    return action;
}

} // namespace

bool signal_behavior::is_default() const noexcept {
    return !fn_ && !(action_.sa_flags & SA_SIGINFO) && action_.sa_handler == SIG_DFL;
}
bool signal_behavior::is_ignore() const noexcept {
    return !fn_ && !(action_.sa_flags & SA_SIGINFO) && action_.sa_handler == SIG_IGN;
}

signal_behavior signal_default() noexcept {
    return signal_behavior{action_of(SIG_DFL)};
}
signal_behavior signal_ignore() noexcept {
    return signal_behavior{action_of(SIG_IGN)};
}

signal_behavior sys_signal(int number, signal_behavior behavior) {
    if (number <= 0 || number >= NSIG)
        throw std::invalid_argument{"miou::sys_signal: " + std::to_string(number) +
                                    " is no signal"};
    detail::relay& relay = detail::relay::instance();
    if (!behavior.is_handle())
        return relay.set(number, behavior.action());
    detail::scheduler& here = detail::scheduler::of_running_task("miou::sys_signal");
    return relay.install(number, *here.run_of().domains[0], behavior.fn());
}

} // namespace miou
