// Plain threads for what must not run on a domain.
#pragma once

#include "miou/trigger.hpp"
#include "miou/unique_function.hpp"

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>

namespace miou_unix {

/// The threads of one run, shared by its domains; started together when the first job comes, joined
/// when the run ends. A job that finds none idle waits in a queue. Any thread.
class worker_pool {
public:
    /// What a worker does. A job is begun or taken back, by whoever is first.
    class job {
    public:
        explicit job(miou::unique_function<void()> fn)
            : fn_{std::move(fn)} {}

        /// True: it will not run.
        bool take_back() noexcept { return !claimed_.exchange(true, std::memory_order_relaxed); }
        /// Signaled when it has run.
        miou::trigger done;
        /// What the function threw, once it is done.
        std::exception_ptr thrown;

    private:
        friend class worker_pool;
        void run() noexcept;

        miou::unique_function<void()> fn_;
        std::atomic<bool> claimed_ = false;
    };

    worker_pool() noexcept;
    worker_pool(const worker_pool&) = delete;
    worker_pool& operator=(const worker_pool&) = delete;
    /// Waits for the jobs that have begun.
    ~worker_pool();

    /// Throws `std::invalid_argument` for a malformed `MIOU_WORKERS`, and what starting threads
    /// throws.
    void post(std::shared_ptr<job> work);

private:
    boost::asio::thread_pool& started();

    std::mutex guard_;
    std::unique_ptr<boost::asio::thread_pool> threads_; // null until the first job
};

} // namespace miou_unix
