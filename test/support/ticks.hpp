// A system with a virtual clock (the `Miouc` of Miou's tests).
#pragma once

#include "miou/domain.hpp"
#include "miou/events.hpp"
#include "miou/run.hpp"
#include "miou/syscall.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace test {

/// Time stands still while any domain has something to do. When none has, it jumps to the next
/// deadline. So the time at the end of a run does not depend on the machine.
class ticks {
public:
    template <class F>
    auto run(int domains, F&& fn) {
        return miou::run(
            {.domains = domains, .events = [this](miou::domain_uid uid) { return system_of(uid); }},
            std::forward<F>(fn));
    }

    int now() const {
        const std::scoped_lock lock{guard_};
        return now_;
    }

    /// Parks the running task for `duration` ticks.
    void sleep(int duration) {
        const miou::syscall point{"ticks"};
        miou::suspend(point, [&] {
            const std::scoped_lock lock{guard_};
            domains_.at(miou::domain::self()).sleepers.emplace(now_ + duration, point);
        });
    }

    /// How many tasks sleep now, on all domains.
    std::size_t sleepers() const {
        const std::scoped_lock lock{guard_};
        std::size_t count = 0;
        for (const auto& [uid, each] : domains_)
            count += each.sleepers.size();
        return count;
    }

private:
    struct domain {
        std::multimap<int, miou::syscall> sleepers;
        bool idle = false;
        bool interrupted = false;
    };

    miou::events system_of(miou::domain_uid uid) {
        const std::scoped_lock lock{guard_};
        domain& mine = domains_[uid];
        return {.select = [this, &mine](bool block,
                                        auto cancelled) { return select(mine, block, cancelled); },
                .interrupt =
                    [this, &mine] {
                        const std::scoped_lock interrupting{guard_};
                        mine.interrupted = true;
                        changed_.notify_all();
                    },
                .finaliser =
                    [this, uid] {
                        const std::scoped_lock leaving{guard_};
                        domains_.erase(uid);
                        changed_.notify_all();
                    }};
    }

    std::vector<miou::signal> select(domain& mine, bool block,
                                     std::span<const miou::syscall_uid> cancelled) {
        std::unique_lock lock{guard_};
        std::erase_if(mine.sleepers, [&](const auto& each) {
            return std::ranges::find(cancelled, each.second.uid()) != cancelled.end();
        });
        mine.idle = block;
        while (block && !is_busy(mine))
            if (!advance())
                changed_.wait(lock);
        mine.idle = false;
        mine.interrupted = false;
        std::vector<miou::signal> due;
        while (is_due(mine)) {
            due.emplace_back(mine.sleepers.begin()->second);
            mine.sleepers.erase(mine.sleepers.begin());
        }
        return due;
    }

    bool is_due(const domain& d) const {
        return !d.sleepers.empty() && d.sleepers.begin()->first <= now_;
    }
    bool is_busy(const domain& d) const { return !d.idle || d.interrupted || is_due(d); }

    /// False while a domain has something to do, or if no task sleeps.
    bool advance() {
        std::optional<int> next;
        for (const auto& [uid, each] : domains_) {
            if (is_busy(each))
                return false;
            if (!each.sleepers.empty())
                next = std::min(next.value_or(each.sleepers.begin()->first),
                                each.sleepers.begin()->first);
        }
        if (!next)
            return false;
        now_ = *next;
        changed_.notify_all();
        return true;
    }

    mutable std::mutex guard_;
    std::condition_variable changed_;
    std::map<miou::domain_uid, domain> domains_;
    int now_ = 0;
};

} // namespace test
