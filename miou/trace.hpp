// What the scheduler does, reported as it happens.
#pragma once

#include "miou/config.hpp"
#include "miou/uid.hpp"
#include "miou/unique_function.hpp"

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <variant>

/// The events of tasks, for tools that draw or check what a program did. OCaml: `Miou.Trace`.
namespace miou::trace {

/// How a task was spawned: with `async`, or with `call` or `parallel`.
enum class spawn_kind : std::uint8_t { async, parallel };

/// `parent` spawned the task `uid`, which runs on `runner`: its parent's domain (`async`) or
/// another one (`parallel`). The root task has no parent. OCaml: `Spawn`.
struct spawn {
    promise_uid uid;
    std::optional<promise_uid> parent;
    domain_uid runner;
    spawn_kind kind;
};
/// Where the task was spawned. OCaml: `Spawn_location`.
struct spawn_location {
    promise_uid uid;
    const char* file;
    std::uint32_t line;
};
/// The parent cancels the task. OCaml: `Cancel`.
struct cancel {
    promise_uid uid;
};
/// The cancelled task and everything below it has unwound. OCaml: `Cancelled`.
struct cancelled {
    promise_uid uid;
};
/// The task parks until something wakes it. OCaml: `Await`.
struct await {
    promise_uid uid;
};
/// A parked task was woken: it will run. OCaml: `Resume`.
struct resume {
    promise_uid uid;
};
/// The task goes to the end of the run queue. OCaml: `Yield`.
struct yield {
    promise_uid uid;
};
/// The task is about to park until the system signals the syscall named `name`. OCaml: `Suspend`.
struct suspend {
    std::string name;
    promise_uid uid;
};
/// The task goes on after `suspend`. OCaml: `Continue`.
struct continue_ {
    std::string name;
    promise_uid uid;
};
/// The parent has awaited or cancelled the finished task: rule 1 is satisfied. OCaml: `Clean`.
struct clean {
    promise_uid uid;
};
/// The task `puid` became the owner of the resource. OCaml: `Attach`.
struct attach {
    resource_uid ruid;
    promise_uid puid;
};
/// The task `puid` does not own the resource any more. OCaml: `Detach`.
struct detach {
    resource_uid ruid;
    promise_uid puid;
};
/// The task runs, for the first time or again. OCaml: `Run_begin`.
struct run_begin {
    promise_uid uid;
};
/// The task stops running, for now or for good. OCaml: `Run_end`.
struct run_end {
    promise_uid uid;
};
/// The task has finished, after all of its subtree. OCaml: `Run_done`.
struct run_done {
    promise_uid uid;
};
/// The task finished without having awaited or cancelled a child. OCaml: `Still_has_children`.
struct still_has_children {
    promise_uid uid;
};
/// The task `self` tried to await or cancel `prm`, which it did not spawn. OCaml: `Not_a_child`.
struct not_a_child {
    promise_uid self;
    promise_uid prm;
};
/// The task finished and still owned a resource. OCaml: `Resource_leaked`.
struct resource_leaked {
    promise_uid uid;
};
/// The task `puid` used a resource that it does not own. OCaml: `Not_owner`.
struct not_owner {
    resource_uid ruid;
    promise_uid puid;
};
/// An event of the program. OCaml: a constructor that it adds to `Miou.Trace.event`.
struct user {
    std::string text;
};

/// Everything that is reported. OCaml: `Miou.Trace.event`.
using event = std::variant<spawn, spawn_location, cancel, cancelled, await, resume, yield, suspend,
                           continue_, clean, attach, detach, run_begin, run_end, run_done,
                           still_has_children, not_a_child, resource_leaked, not_owner, user>;

/// One line: the event's OCaml name and its fields, `Spawn uid=3 parent=0 runner=1 Parallel`.
MIOU_API std::ostream& operator<<(std::ostream& out, const event& e);

/// Makes `fn` the reporter: it is called with every event from now on. An empty `fn` ends that. Any
/// thread. Other domains than the caller's begin within `MIOU_POLL` switches of tasks. An event
/// that is being reported there may still reach the previous reporter.
///
/// All domains call `fn`, concurrently, in the middle of their work. So it must be quick, and what
/// needs a task throws `outside_of_task` in it. A reporter that throws is removed, and its
/// exception is logged. Without a reporter an event costs one test. OCaml:
/// `Miou.Trace.set_reporter`; the variable `MIOU_TRACE` is not needed.
MIOU_API void set_reporter(unique_function<void(const event&)> fn);

/// Reports an event of the program, in order with those of the scheduler. Any thread. Does not
/// suspend. OCaml: `Miou.Trace.trace`.
MIOU_API void trace(const event& e);

} // namespace miou::trace
