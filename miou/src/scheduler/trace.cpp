#include "miou/trace.hpp"

#include "miou/src/report/log_exception.hpp"
#include "miou/src/scheduler/scheduler.hpp"
#include "miou/src/scheduler/tracing.hpp"

#include <exception>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>

namespace miou {
namespace detail {

constinit atomic<bool> tracing = false;

namespace {

using reporter = unique_function<void(const trace::event&)>;

struct current_reporter {
    std::mutex guard;
    std::shared_ptr<reporter> fn; // shared with the domains that are calling it
};

current_reporter& current() {
    static auto* const forever = new current_reporter; // tasks outlive statics
    return *forever;
}

std::shared_ptr<reporter> replace(std::shared_ptr<reporter> fn) {
    const std::scoped_lock lock{current().guard};
    tracing.store(fn != nullptr, memory_order_relaxed);
    return std::exchange(current().fn, std::move(fn));
}

/// Set while the reporter runs: what it does is not reported.
thread_local bool reporting = false;

void call(reporter& fn, const trace::event& e) {
    if (scheduler* const here = scheduler::current_or_null())
        here->outside_of_tasks([&] { fn(e); });
    else
        fn(e);
}

} // namespace

void report(const trace::event& e) noexcept {
    if (reporting)
        return;
    std::shared_ptr<reporter> fn;
    {
        const std::scoped_lock lock{current().guard};
        fn = current().fn;
    }
    if (!fn)
        return;
    reporting = true;
    if (!call_and_log("a trace reporter", [&] { call(*fn, e); }))
        replace(nullptr);
    reporting = false;
}

} // namespace detail

namespace trace {
namespace {

struct printer {
    std::ostream& out;

    void operator()(const spawn& e) const {
        out << "Spawn uid=" << e.uid;
        if (e.parent)
            out << " parent=" << *e.parent;
        out << " runner=" << e.runner << (e.kind == spawn_kind::async ? " Async" : " Parallel");
    }
    void operator()(const spawn_location& e) const {
        out << "Spawn_location uid=" << e.uid << " " << e.file << ":" << e.line;
    }
    void operator()(const cancel& e) const { out << "Cancel " << e.uid; }
    void operator()(const cancelled& e) const { out << "Cancelled " << e.uid; }
    void operator()(const await& e) const { out << "Await " << e.uid; }
    void operator()(const resume& e) const { out << "Resume " << e.uid; }
    void operator()(const yield& e) const { out << "Yield " << e.uid; }
    void operator()(const suspend& e) const { out << "Suspend " << e.name << " uid=" << e.uid; }
    void operator()(const continue_& e) const { out << "Continue " << e.name << " uid=" << e.uid; }
    void operator()(const clean& e) const { out << "Clean " << e.uid; }
    void operator()(const attach& e) const {
        out << "Attach ruid=" << e.ruid << " puid=" << e.puid;
    }
    void operator()(const detach& e) const {
        out << "Detach ruid=" << e.ruid << " puid=" << e.puid;
    }
    void operator()(const run_begin& e) const { out << "Run_begin " << e.uid; }
    void operator()(const run_end& e) const { out << "Run_end " << e.uid; }
    void operator()(const run_done& e) const { out << "Run_done " << e.uid; }
    void operator()(const still_has_children& e) const { out << "Still_has_children " << e.uid; }
    void operator()(const not_a_child& e) const {
        out << "Not_a_child self=" << e.self << " prm=" << e.prm;
    }
    void operator()(const resource_leaked& e) const { out << "Resource_leaked " << e.uid; }
    void operator()(const not_owner& e) const {
        out << "Not_owner ruid=" << e.ruid << " puid=" << e.puid;
    }
    void operator()(const user& e) const { out << e.text; }
};

} // namespace

std::ostream& operator<<(std::ostream& out, const event& e) {
    std::visit(printer{out}, e);
    return out;
}

void set_reporter(unique_function<void(const event&)> fn) {
    detail::replace(fn ? std::make_shared<detail::reporter>(std::move(fn)) : nullptr);
    if (detail::this_scheduler != nullptr)
        detail::this_scheduler->refresh_tracing();
}

void trace(const event& e) {
    if (detail::tracing.load(detail::memory_order_relaxed))
        detail::report(e);
}

} // namespace trace
} // namespace miou
