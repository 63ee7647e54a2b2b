#include "miou_unix/detail/worker_pool.hpp"

#include "miou/blocked_signals.hpp"
#include "miou/setting.hpp"

#include <algorithm>
#include <csignal>
#include <new>
#include <string>
#include <system_error>

namespace miou_unix::detail {

unsigned workers_wanted(std::optional<int> chosen) {
    constexpr miou::detail::setting workers{"miou_unix::run", ".workers", "MIOU_WORKERS", 1, 1024};
    // At least 4, because workers wait more than they compute.
    return workers.value(chosen, std::max(4u, std::thread::hardware_concurrency()));
}

worker_pool::job::job(miou::unique_function<void()> fn)
    : fn_{std::move(fn)} {
    ::pthread_sigmask(SIG_SETMASK, nullptr, &callers_mask_);
}

void worker_pool::job::run() noexcept {
    try {
        const miou::blocked_signals meanwhile{callers_mask_};
        fn_();
    } catch (...) {
        thrown = std::current_exception();
    }
}

worker_pool::~worker_pool() {
    {
        const std::scoped_lock lock{guard_};
        ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& each : threads_)
        each.join();
}

void worker_pool::post(job& work, const char* caller) {
    const std::scoped_lock lock{guard_};
    if (queue_.size() >= idle_ && threads_.size() < most_threads_)
        start_thread(caller);
    queue_.push_back(work);
    changed_.notify_one();
}

/// With the lock held. Throws only if there is no thread at all. With fewer threads than allowed,
/// jobs only take longer.
void worker_pool::start_thread(const char* caller) {
    try {
        const miou::blocked_signals inherited; // signals are for the domains
        threads_.reserve(threads_.size() + 1);
        threads_.emplace_back([this] { work(); });
        ++idle_;
    } catch (const std::bad_alloc&) {
        if (threads_.empty())
            throw;
    } catch (const std::system_error& error) {
        if (threads_.empty())
            throw std::system_error{error.code(),
                                    std::string{caller} + ": no thread can be started"};
    }
}

bool worker_pool::withdraw(job& work) noexcept {
    const std::scoped_lock lock{guard_};
    if (!work.is_linked())
        return false;
    queue_.erase(queue_.iterator_to(work));
    return true;
}

void worker_pool::work() noexcept {
    std::unique_lock lock{guard_};
    for (;;) {
        changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
        if (queue_.empty())
            return;
        // Kept before others see that it has begun, and may drop it.
        auto next = queue_.front().shared_from_this();
        queue_.pop_front();
        --idle_;
        lock.unlock();
        next->run();
        lock.lock();
        ++idle_; // before the caller goes on, so that its next call starts no other thread
        lock.unlock();
        next->done.signal();
        next.reset();
        lock.lock();
    }
}

} // namespace miou_unix::detail
