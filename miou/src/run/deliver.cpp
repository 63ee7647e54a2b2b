#include "miou/cancel_scope.hpp"
#include "miou/detail/resource.hpp"
#include "miou/src/scheduler/scheduler.hpp"
#include "miou/src/signals/posix_signals.hpp"
#include "miou/src/tree/cancellation.hpp"
#include "miou/src/tree/children.hpp"

#include <cassert>

namespace miou::detail {

void deliver(scheduler& here, mail& m) noexcept {
    assert(here.is_here() && scheduler::current_or_null() == nullptr);
    switch (m.kind) {
    case mail_kind::run: {
        task& subject = static_cast<task&>(static_cast<run_mail&>(m));
        if (subject.parked == task::parking::none)
            here.push(subject); // new
        else
            here.unpark(subject);
        break;
    }
    case mail_kind::cancel: {
        task& subject = static_cast<task&>(static_cast<cancel_mail&>(m));
        cancel_subtree(here, subject);
        subject.drop_cancellation();
        break;
    }
    case mail_kind::scope:
        static_cast<cancel_scope::letter&>(m).of.arrive();
        break;
    case mail_kind::finished:
        on_child_ended(here, static_cast<task&>(static_cast<run_mail&>(m)));
        break;
    case mail_kind::resource:
        static_cast<resource&>(m).arrive();
        break;
    case mail_kind::signals:
        here.take_signals_mail();
        run_signal_handlers(here);
        break;
    case mail_kind::stop:
        here.leave_loop();
        break;
    }
}

} // namespace miou::detail
