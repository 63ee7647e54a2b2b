// Says which task has overflowed its stack, before that kills the process.
#pragma once

namespace miou::detail {

class stack_pool;

/// Lives on the thread of a domain. When the running task there hits the guard page of its stack, a
/// line on standard error names the task. Then the process dies as it would without the report, and
/// its core shows the overflow.
///
/// Works only while SIGSEGV has its default action. A program that handles SIGSEGV makes its own
/// report, and so do the sanitizers.
class overflow_report {
public:
    /// A stack that has overflowed has no room for a signal handler. So this gives the thread an
    /// alternate stack, unless it has one. The stack comes from `stacks`, which must live longer.
    /// Throws `no_stack`.
    explicit overflow_report(stack_pool& stacks);
    overflow_report(const overflow_report&) = delete;
    overflow_report& operator=(const overflow_report&) = delete;
    /// On the same thread.
    ~overflow_report();

private:
    void* alternate_stack_ = nullptr; // if this has set it
};

} // namespace miou::detail
