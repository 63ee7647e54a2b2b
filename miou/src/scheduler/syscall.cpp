#include "miou/syscall.hpp"

#include "miou/src/scheduler/scheduler.hpp"

#include <stdexcept>

namespace miou {

syscall::syscall(std::string_view name) {
    detail::scheduler& here = detail::scheduler::current("miou::syscall");
    point_ = std::make_shared<detail::suspension>();
    point_->uid = here.next_uid();
    point_->task = here.identity_of(here.running_task());
    point_->home = &here;
    point_->name = name;
}

void suspend(const syscall& point, unique_function<void()> fn) {
    detail::scheduler& here = detail::scheduler::current("miou::suspend");
    detail::suspension& it = *point.point();
    if (it.home != &here)
        throw std::invalid_argument{"This syscall does not belong to the current domain"};
    if (it.task != here.identity_of(here.running_task()))
        throw std::invalid_argument{"This syscall does not belong to the current promise"};
    if (!here.has_system())
        throw no_select_provided{
            "miou::suspend: this run has no .events, so nothing could resume the task; use "
            "miou_unix::run, or a run function that goes with your suspensions"};
    here.throw_if_cancelled();
    const detail::scheduler::suspended waits{here};
    const promise_uid self = here.running_task().number();
    std::exception_ptr cancellation;
    try {
        if (fn)
            fn();
        here.record<trace::suspend>(it.name, self);
        cancellation = here.wait(it.state);
    } catch (...) {
        waits.report_cancelled(point.uid());
        throw;
    }
    if (cancellation) {
        waits.report_cancelled(point.uid());
        std::rethrow_exception(cancellation);
    }
    here.record<trace::continue_>(it.name, self);
}

} // namespace miou
