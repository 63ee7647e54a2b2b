// Says which task has overflowed its stack, before the process dies of it.
#pragma once

#include <cstddef>
#include <memory>

namespace miou::detail {

/// While one lives on the thread of a domain: when a task there runs into the guard page of its
/// stack, a line on standard error names it. Then goes on what was installed for SIGSEGV before; by
/// default the process dies, and its core shows the overflow. Nothing under a sanitizer, which has
/// a report of its own.
class overflow_report {
public:
    /// Throws `std::bad_alloc`.
    overflow_report();
    overflow_report(const overflow_report&) = delete;
    overflow_report& operator=(const overflow_report&) = delete;
    /// On the same thread.
    ~overflow_report();

private:
    // What has overflowed has no room for a signal handler. Null if the thread has one of the
    // user's.
    std::unique_ptr<std::byte[]> alternate_stack_;
};

} // namespace miou::detail
