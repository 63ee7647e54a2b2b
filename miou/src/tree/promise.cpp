#include "miou/promise.hpp"

#include "miou/detail/orphanage.hpp"
#include "miou/detail/resource.hpp"
#include "miou/src/scheduler/scheduler.hpp"
#include "miou/src/tree/cancellation.hpp"
#include "miou/src/tree/children.hpp"

#include <cassert>
#include <ostream>
#include <string>

namespace miou {
namespace detail {
namespace {

void check_spawn(std::span<const ownership> give, orphanage* orphans, const char* caller) {
    for (const ownership& each : give)
        each.require_givable(caller); // before anything has been moved
    if (orphans != nullptr)
        orphans->acquire(caller);
}

/// Whether `domain` exists, takes tasks, and is not the caller's own.
bool can_be_called(const scheduler& here, int domain) noexcept {
    return domain >= 1 && static_cast<std::size_t>(domain) < here.run_of().domains.size() &&
           domain != here.uid().to_int();
}

} // namespace

std::ostream& print(std::ostream& out, const task& described) {
    return out << described.describe();
}

void check_async() {
    scheduler::current("miou::async");
}

void check_async(const async_options& options, orphanage* orphans) {
    check_async();
    check_spawn(options.give, orphans, "miou::async");
}

std::vector<scheduler*> other_domains(const char* caller) {
    scheduler& here = scheduler::current(caller);
    std::vector<scheduler*> others = here.run_of().domains;
    std::erase_if(
        others, [&](const scheduler* each) { return !can_be_called(here, each->uid().to_int()); });
    if (others.empty())
        throw no_domain_available{std::string{caller} +
                                  ": this run has no other domain than the caller's"};
    return others;
}

scheduler& check_call(const call_options& options, orphanage* orphans) {
    scheduler& here = scheduler::current("miou::call");
    check_spawn(options.give, orphans, "miou::call");
    const std::vector<scheduler*>& all = here.run_of().domains;
    const std::size_t parallel = all.size() - 1; // dom0 takes none
    const bool caller_is_parallel = here.uid().to_int() != 0;
    const std::size_t choices = parallel - caller_is_parallel;
    if (choices == 0)
        throw no_domain_available{"miou::call: this run has no other domain than the caller's"};
    if (options.pin) {
        const int pinned = options.pin->to_int();
        if (!can_be_called(here, pinned))
            throw std::invalid_argument{"miou::call: domain " + std::to_string(pinned) +
                                        " does not exist, or is dom0 or the caller's own"};
        return *all[static_cast<std::size_t>(pinned)];
    }
    std::size_t chosen = 1 + here.random().below(choices);
    if (caller_is_parallel && chosen >= static_cast<std::size_t>(here.uid().to_int()))
        ++chosen;
    return *all[chosen];
}

void start(task& made, scheduler* home, std::span<const ownership> give, orphanage* orphans) {
    scheduler& here = *this_scheduler;
    try {
        for (const ownership& each : give)
            each.claim_for(made, "miou: .give");
    } catch (...) { // another domain has claimed one meanwhile
        while (made.resources)
            made.resources->disown();
        throw;
    }
    for (const ownership& each : give)
        each.give_to(made);
    if (orphans != nullptr)
        orphans->add(made);
    spawn(here, here.running_task(), made, home ? *home : here);
}

void start(task& made) {
    scheduler& here = *this_scheduler;
    spawn(here, here.running_task(), made, here);
}

void await_promise(task& child, const char* caller) {
    scheduler& here = scheduler::current(caller);
    require_child(here, child, caller);
    await_child(here, child);
}

std::size_t await_any_promise(std::span<task* const> children, const char* caller) {
    scheduler& here = scheduler::current(caller);
    for (const task* each : children)
        require_child(here, *each, caller);
    return await_any(here, children);
}

void reap_task(task& child) {
    reap(*this_scheduler, child);
}

void cancel_promise(task& child) {
    scheduler& here = scheduler::current("miou::cancel");
    require_child(here, child, "miou::cancel");
    cancel_child(here, child);
}

void cancel_promises(std::span<task* const> children, const task* kept, const char* caller) {
    scheduler& here = scheduler::current(caller);
    for (const task* each : children)
        require_child(here, *each, caller);
    uncancellable([&] {
        for (task* each : children)
            if (each != kept)
                request_cancel(here, *each);
        for (task* each : children)
            if (each != kept)
                cancel_child(here, *each);
    });
    here.throw_if_cancelled();
}

bool cancellation_due() noexcept {
    return in_task() && this_scheduler->cancellation_due();
}

bool in_task() noexcept {
    return scheduler::current_or_null() != nullptr;
}

uncancellable_section::uncancellable_section(const char* caller)
    : outermost_{!scheduler::current(caller).shielded()} {
    ++this_scheduler->running_task().shields;
}

uncancellable_section::~uncancellable_section() {
    assert(this_scheduler->running_task().shields != 0);
    --this_scheduler->running_task().shields;
    if (outermost_)
        end_of_shield(*this_scheduler);
}

} // namespace detail

void yield() {
    detail::scheduler& here = detail::scheduler::current("miou::yield");
    here.reschedule();
    if (here.cancellation_due())
        throw cancelled{};
}

void consume_budget(const char* caller) {
    detail::scheduler::current(caller).consume_budget();
}

} // namespace miou
