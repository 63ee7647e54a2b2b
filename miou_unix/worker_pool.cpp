#include "miou_unix/worker_pool.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

namespace miou_unix {
namespace {

constexpr unsigned most_workers = 1024;

unsigned workers_wanted() {
    // They wait for disks and servers more than they compute.
    unsigned wanted = std::max(4u, std::thread::hardware_concurrency());
    if (const char* const text = std::getenv("MIOU_WORKERS")) {
        const std::string_view value = text;
        const char* const end = value.data() + value.size();
        const auto [stopped, error] = std::from_chars(value.data(), end, wanted);
        if (error != std::errc{} || stopped != end || wanted == 0 || wanted > most_workers)
            throw std::invalid_argument{"miou_unix: MIOU_WORKERS is \"" + std::string{value} +
                                        "\", not a number from 1 to " +
                                        std::to_string(most_workers)};
    }
    return wanted;
}

/// Threads that are started meanwhile get no signals: those are for the domains.
class signals_blocked {
public:
    signals_blocked() noexcept {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    signals_blocked(const signals_blocked&) = delete;
    signals_blocked& operator=(const signals_blocked&) = delete;

private:
    sigset_t before_;
};

} // namespace

worker_pool::worker_pool() noexcept = default;

worker_pool::~worker_pool() {
    if (threads_)
        threads_->join();
}

void worker_pool::job::run() noexcept {
    if (claimed_.exchange(true, std::memory_order_relaxed))
        return;
    try {
        fn_();
    } catch (...) {
        thrown = std::current_exception();
    }
    done.signal();
}

boost::asio::thread_pool& worker_pool::started() {
    const std::scoped_lock held{guard_};
    if (!threads_) {
        const signals_blocked meanwhile;
        threads_ = std::make_unique<boost::asio::thread_pool>(workers_wanted());
    }
    return *threads_;
}

void worker_pool::post(std::shared_ptr<job> work) {
    boost::asio::post(started(), [work = std::move(work)] { work->run(); });
}

} // namespace miou_unix
