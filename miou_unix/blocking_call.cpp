#include "miou_unix/blocking_call.hpp"

#include "miou/promise.hpp"
#include "miou_unix/reactor.hpp"
#include "miou_unix/worker_pool.hpp"

namespace miou_unix::detail {
namespace {

enum class when_cancelled { wait, leave };

void run(miou::unique_function<void()> fn, when_cancelled once_begun, const char* caller) {
    const auto job = std::make_shared<worker_pool::job>(std::move(fn));
    reactor::current(caller).workers().post(job);
    if (const std::exception_ptr cancellation = job->done.await()) {
        if (job->take_back() || once_begun == when_cancelled::leave)
            std::rethrow_exception(cancellation);
        miou::uncancellable([&] { job->done.await(); });
    }
    if (job->thrown)
        std::rethrow_exception(job->thrown);
}

} // namespace

void run_on_worker(miou::unique_function<void()> fn, const char* caller) {
    run(std::move(fn), when_cancelled::wait, caller);
}

void run_on_worker_detached(miou::unique_function<void()> fn, const char* caller) {
    run(std::move(fn), when_cancelled::leave, caller);
}

} // namespace miou_unix::detail
