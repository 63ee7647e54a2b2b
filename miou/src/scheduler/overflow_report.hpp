// Says which task has overflowed its stack, before the process dies of it.
#pragma once

namespace miou::detail {

class stack_pool;

/// While one lives on the thread of a domain: when the running task there runs into the guard page
/// of its stack, a line on standard error names it. Then the process dies as it would have without,
/// and its core shows the overflow.
///
/// Only while SIGSEGV has its default action: a program that handles it makes its own report. So
/// do the sanitizers.
class overflow_report {
public:
    /// A stack that has overflowed has no room for a signal handler. So the thread gets an
    /// alternate stack from `stacks`, which must live longer, unless it has one. Throws `no_stack`.
    explicit overflow_report(stack_pool& stacks);
    overflow_report(const overflow_report&) = delete;
    overflow_report& operator=(const overflow_report&) = delete;
    /// On the same thread.
    ~overflow_report();

private:
    void* alternate_stack_ = nullptr; // that it has set
};

} // namespace miou::detail
