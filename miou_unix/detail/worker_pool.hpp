// Plain threads for what must not run on a domain.
#pragma once

#include "miou/trigger.hpp"
#include "miou/unique_function.hpp"

#include <boost/intrusive/list.hpp>

#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace miou_unix::detail {

/// Threads of one run, which its domains share. A job that finds no idle thread starts another one,
/// up to a limit, or waits in a queue. An idle thread takes no signals. The threads are joined when
/// the run ends. Any thread.
class worker_pool {
public:
    /// A function for a worker. It runs with the signal mask of the thread that made the job, so
    /// that programs that it starts inherit that mask. The job must live while it is in the queue;
    /// a worker that has begun it keeps it alive.
    class job : public boost::intrusive::list_base_hook<>,
                public std::enable_shared_from_this<job> {
    public:
        explicit job(miou::unique_function<void()> fn);

        /// Signaled when it has run.
        miou::trigger done;
        /// What the function threw, once it is done.
        std::exception_ptr thrown;

    private:
        friend class worker_pool;
        void run() noexcept;

        miou::unique_function<void()> fn_;
        sigset_t callers_mask_;
    };

    explicit worker_pool(unsigned most_threads) noexcept
        : most_threads_{most_threads} {}
    worker_pool(const worker_pool&) = delete;
    worker_pool& operator=(const worker_pool&) = delete;
    /// Waits for the jobs that have begun. The queue is empty.
    ~worker_pool();

    /// Puts `work` into the queue. Throws `std::system_error`, naming `caller`, if there is no
    /// thread and none can be started; then it is not in the queue.
    void post(job& work, const char* caller);
    /// Takes `work` out of the queue. Returns false if it has begun.
    bool withdraw(job& work) noexcept;

private:
    void start_thread(const char* caller);
    void work() noexcept;

    const std::size_t most_threads_;
    std::mutex guard_; // of the rest
    std::condition_variable changed_;
    boost::intrusive::list<job> queue_;
    std::size_t idle_ = 0; // threads without a job; some may be about to take one from the queue
    bool ending_ = false;
    std::vector<std::thread> threads_;
};

/// The workers of a run. Names have threads of their own, so that they never wait for functions
/// that compute.
struct worker_pools {
    explicit worker_pools(unsigned most_threads) noexcept
        : functions{most_threads}
        , names{most_threads} {}

    /// For `blocking`.
    worker_pool functions;
    /// For `resolve`.
    worker_pool names;
};

/// How many threads a pool may have: `chosen`, or `MIOU_WORKERS`, or a default. Throws
/// `std::invalid_argument` unless that is from 1 to 1,024.
unsigned workers_wanted(std::optional<int> chosen);

} // namespace miou_unix::detail
