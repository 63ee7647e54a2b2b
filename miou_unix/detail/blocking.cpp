#include "miou_unix/blocking.hpp"

#include "miou_unix/detail/reactor.hpp"
#include "miou_unix/detail/worker_pool.hpp"

namespace miou_unix::detail {
namespace {

enum class when_cancelled { wait, leave };

void run(miou::unique_function<void()> fn, worker_pool worker_pools::*which,
         when_cancelled once_begun, const char* caller) {
    worker_pool& pool = reactor::current(caller).workers().*which;
    const auto job = std::make_shared<worker_pool::job>(std::move(fn));
    pool.post(*job, caller);
    const std::exception_ptr cancellation = job->done.await_or(
        [&] { return pool.withdraw(*job) || once_begun == when_cancelled::leave; });
    if (cancellation)
        std::rethrow_exception(cancellation);
    if (job->thrown)
        std::rethrow_exception(job->thrown);
}

} // namespace

void run_on_worker(miou::unique_function<void()> fn, const char* caller) {
    run(std::move(fn), &worker_pools::functions, when_cancelled::wait, caller);
}

void ask_on_worker(miou::unique_function<void()> fn, const char* caller) {
    run(std::move(fn), &worker_pools::names, when_cancelled::leave, caller);
}

} // namespace miou_unix::detail
