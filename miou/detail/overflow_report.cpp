#include "miou/detail/overflow_report.hpp"

#include "miou/detail/sanitizers.hpp"
#include "miou/detail/scheduler.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <string_view>

namespace miou::detail {

#if defined(MIOU_ASAN) || defined(MIOU_TSAN)

overflow_report::overflow_report() = default;
overflow_report::~overflow_report() = default;

#else

namespace {

// Also for the user's handler, which goes on after ours: one that prints a backtrace, say.
constexpr std::size_t alternate_stack_size = std::size_t{64} << 10;

std::mutex guard;           // of the rest
std::size_t reports = 0;    // that live
bool installed = false;     // also behind a handler of the user's, which may call ours
struct sigaction before {}; // constant while installed

/// What does not fit is left out.
class fixed_text {
public:
    void add(std::string_view piece) noexcept {
        const std::size_t fits = std::min(piece.size(), sizeof text_ - size_);
        std::copy_n(piece.data(), fits, text_ + size_);
        size_ += fits;
    }
    void write_to(int fd) const noexcept {
        [[maybe_unused]] const ::ssize_t ignored = ::write(fd, text_, size_);
    }

private:
    char text_[1024];
    std::size_t size_ = 0;
};

void report(const task& overflown) noexcept {
    fixed_text line;
    line.add("miou: stack overflow in ");
    overflown.describe(
        [](void* to, std::string_view piece) { static_cast<fixed_text*>(to)->add(piece); }, &line);
    line.add("\n");
    line.write_to(STDERR_FILENO);
}

bool was_sent(const siginfo_t& signal) noexcept {
    return signal.si_code <= 0; // by `kill` or the like, in place of a fault
}

bool is_function(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) != 0 ||
           (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

void go_on_as_before(int number, siginfo_t* info, void* context) {
    if ((before.sa_flags & SA_SIGINFO) != 0) {
        before.sa_sigaction(number, info, context);
    } else if (is_function(before)) {
        before.sa_handler(number);
    } else if (before.sa_handler == SIG_DFL || !was_sent(*info)) {
        ::signal(number, SIG_DFL);
        if (was_sent(*info))
            ::raise(number);
        // A fault happens once more on return.
    }
}

extern "C" {
// static: a C name is one for the whole program, whatever namespace it stands in.
static void on_fault(int number, siginfo_t* info, void* context) {
    const int saved = errno;
    if (const scheduler* const here = this_scheduler; here != nullptr && !was_sent(*info))
        if (const task* const overflown = here->overflown_at(info->si_addr))
            report(*overflown);
    errno = saved;
    go_on_as_before(number, info, context);
}
}

bool is_ours(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == &on_fault;
}

void install_handler() noexcept {
    const std::scoped_lock lock{guard};
    if (reports++ != 0)
        return;
    struct sigaction current {};
    ::sigaction(SIGSEGV, nullptr, &current);
    if (installed && is_function(current))
        return;
    before = current;
    struct sigaction ours {};
    ours.sa_sigaction = &on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&ours.sa_mask);
    installed = ::sigaction(SIGSEGV, &ours, nullptr) == 0;
}

void remove_handler() noexcept {
    const std::scoped_lock lock{guard};
    if (--reports != 0)
        return;
    struct sigaction current {};
    ::sigaction(SIGSEGV, nullptr, &current);
    if (is_ours(current))
        installed = ::sigaction(SIGSEGV, &before, nullptr) != 0;
}

} // namespace

overflow_report::overflow_report() {
    stack_t current{};
    ::sigaltstack(nullptr, &current);
    if ((current.ss_flags & SS_DISABLE) != 0) {
        alternate_stack_ = std::make_unique_for_overwrite<std::byte[]>(alternate_stack_size);
        const stack_t ours{
            .ss_sp = alternate_stack_.get(), .ss_flags = 0, .ss_size = alternate_stack_size};
        ::sigaltstack(&ours, nullptr);
    }
    install_handler();
}

overflow_report::~overflow_report() {
    remove_handler();
    stack_t current{};
    ::sigaltstack(nullptr, &current);
    if (alternate_stack_ == nullptr || current.ss_sp != alternate_stack_.get())
        return;
    const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    ::sigaltstack(&none, nullptr);
}

#endif

} // namespace miou::detail
