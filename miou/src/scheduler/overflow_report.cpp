#include "miou/src/scheduler/overflow_report.hpp"

#include "miou/src/fiber/sanitizers.hpp"
#include "miou/src/fiber/stack.hpp"
#include "miou/src/report/fixed_line.hpp"
#include "miou/src/scheduler/scheduler.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <string_view>

namespace miou::detail {

#if defined(MIOU_ASAN) || defined(MIOU_TSAN)

overflow_report::overflow_report(stack_pool&) {}
overflow_report::~overflow_report() = default;

#else

namespace {

std::mutex guard;
std::size_t reports = 0; // how many live

/// Writes `text`, unless `fd` has no reader (which would raise SIGPIPE) or cannot take it soon.
void write_to(int fd, std::string_view text) noexcept {
    constexpr int patience_ms = 100;
    ::pollfd asked{fd, POLLOUT, 0};
    if (::poll(&asked, 1, patience_ms) == 1 && asked.revents == POLLOUT) {
        [[maybe_unused]] const ::ssize_t ignored = ::write(fd, text.data(), text.size());
    }
}

void report_overflow_of(const task& overflown) noexcept {
    fixed_line line;
    line.add("miou: stack overflow in ");
    line.add_description(overflown);
    line.add("\n");
    write_to(STDERR_FILENO, line.text());
}

extern "C" {
// static, because namespaces do not hide a C name from the rest of the program.
static void on_fault(int number, siginfo_t* info, void*) {
    const int saved = errno;
    const bool at_address = info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR;
    if (const scheduler* const here = this_scheduler; here != nullptr && at_address)
        if (const task* const overflown = here->overflown_at(info->si_addr))
            report_overflow_of(*overflown);
    ::signal(number, SIG_DFL);
    if (!at_address) // a fault at an address happens again on return; this one does not
        ::raise(number);
    errno = saved;
}
}

struct sigaction action_of_segv() noexcept {
    struct sigaction found {};
    ::sigaction(SIGSEGV, nullptr, &found);
    return found;
}

bool is_ours(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == &on_fault;
}

// So the child of a fork finds the lock free, whatever other threads did at the fork.
[[maybe_unused]] const int held_across_forks =
    ::pthread_atfork([] { guard.lock(); }, [] { guard.unlock(); }, [] { guard.unlock(); });

void install_handler() noexcept {
    const std::scoped_lock lock{guard};
    ++reports;
    if (action_of_segv().sa_handler != SIG_DFL)
        return;
    struct sigaction ours {};
    ours.sa_sigaction = &on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&ours.sa_mask);
    ::sigaction(SIGSEGV, &ours, nullptr);
}

void remove_handler() noexcept {
    const std::scoped_lock lock{guard};
    if (--reports == 0 && is_ours(action_of_segv()))
        ::signal(SIGSEGV, SIG_DFL);
}

stack_t alternate_stack() noexcept {
    stack_t found{};
    ::sigaltstack(nullptr, &found);
    return found;
}

} // namespace

overflow_report::overflow_report(stack_pool& stacks) {
    if ((alternate_stack().ss_flags & SS_DISABLE) != 0) {
        const stack taken = stacks.take();
        stack_t ours{};
        ours.ss_sp = taken.base;
        ours.ss_size = taken.size;
        if (::sigaltstack(&ours, nullptr) == 0)
            alternate_stack_ = taken.base;
    }
    install_handler();
}

overflow_report::~overflow_report() {
    remove_handler();
    if (alternate_stack_ == nullptr || alternate_stack().ss_sp != alternate_stack_)
        return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);
}

#endif

} // namespace miou::detail
