#include "miou/src/run/domains.hpp"

#include "miou/src/scheduler/scheduler.hpp"
#include "miou/src/signals/posix_signals.hpp"

#include <latch>
#include <mutex>
#include <optional>
#include <thread>

namespace miou::detail {
namespace {

class domains {
public:
    domains(const run_settings& settings, unique_function<events(domain_uid)>& make_events,
            task& root)
        : run_{settings, root}
        , make_events_{make_events}
        , booted_{static_cast<std::ptrdiff_t>(settings.domains) + 1}
        , finished_{static_cast<std::ptrdiff_t>(settings.domains) + 1} {}

    void run() {
        const unsigned wanted = run_.settings.domains;
        std::vector<std::thread> threads;
        threads.reserve(wanted);
        try {
            while (threads.size() < wanted)
                threads.emplace_back(&domains::domain, this, threads.size() + 1);
        } catch (...) {
            boot_failed(std::current_exception());
            const auto missing = static_cast<std::ptrdiff_t>(wanted - threads.size());
            booted_.count_down(missing);
            finished_.count_down(missing);
        }
        domain(0);
        for (std::thread& each : threads)
            each.join();
        if (boot_failure_)
            std::rethrow_exception(boot_failure_);
        if (run_.failure())
            std::rethrow_exception(run_.failure());
    }

private:
    void domain(std::size_t number) noexcept {
        std::optional<scheduler> self;
        const bool entered = boot(self, number);
        if (number == 0 && entered)
            settle_root(*self);
        // A task may send to every domain, so the first task waits until all domains exist.
        booted_.arrive_and_wait();
        if (!boot_failure_) {
            if (number == 0)
                start_root(*self);
            self->run();
        }
        if (number == 0 && entered)
            wait_for_foreign_senders(*self);
        // A domain may still be inside `send` to another one, so none leaves before all are done.
        finished_.arrive_and_wait();
        if (entered)
            self->leave();
    }

    bool boot(std::optional<scheduler>& self, std::size_t number) noexcept {
        try {
            self.emplace(run_, domain_uid::of_int(static_cast<int>(number)));
            run_.domains[number] = &*self;
            const std::scoped_lock one_at_a_time{boot_guard_};
            self->enter(make_events_);
            return true;
        } catch (...) {
            boot_failed(std::current_exception());
            return false;
        }
    }

    /// To be called before any domain can fail, because a failure cancels the root.
    void settle_root(scheduler& dom0) noexcept {
        run_.root.home = &dom0;
        run_.root.uid = dom0.next_uid();
    }

    void start_root(scheduler& dom0) noexcept {
        dom0.record<trace::spawn>(run_.root, std::optional<promise_uid>{}, dom0.uid(),
                                  trace::spawn_kind::async);
        dom0.push(run_.root);
        try {
            adopt_signals(dom0);
        } catch (...) {
            run_.fail(std::current_exception());
        }
    }

    void wait_for_foreign_senders(scheduler& dom0) noexcept {
        restore_signals(dom0);
        while (run_.foreign_senders.load(memory_order_acquire) != 0)
            std::this_thread::yield(); // a few instructions, unless the thread was preempted
    }

    void boot_failed(std::exception_ptr cause) noexcept {
        const std::scoped_lock lock{failure_guard_};
        if (!boot_failure_)
            boot_failure_ = std::move(cause);
    }

    run_state run_;
    unique_function<events(domain_uid)>& make_events_;
    std::mutex boot_guard_; // the user's factory is not called concurrently
    std::mutex failure_guard_;
    std::exception_ptr boot_failure_; // constant once all have booted
    std::latch booted_;
    std::latch finished_;
};

} // namespace

void run_domains(const run_settings& settings, unique_function<events(domain_uid)> make_events,
                 task& root) {
    domains{settings, make_events, root}.run();
}

} // namespace miou::detail
