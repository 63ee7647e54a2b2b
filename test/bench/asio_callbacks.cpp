// Asio without fibers: each step is a handler.
#include "runtimes.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <thread>

namespace bench {
namespace {

namespace asio = boost::asio;

constexpr int one_thread = BOOST_ASIO_CONCURRENCY_HINT_UNSAFE;

/// Handlers that post themselves.
class chain {
public:
    chain(asio::io_context& io, std::size_t laps)
        : io_{io}
        , laps_{laps} {
        post();
    }
    std::size_t laps_left() const { return laps_; }

private:
    void post() {
        asio::post(io_, [this] {
            if (--laps_ > 0)
                post();
        });
    }
    asio::io_context& io_;
    std::size_t laps_;
};

figures yield(std::size_t chains, const sizes& size) {
    const std::size_t laps = size.laps / chains + 1;
    asio::io_context io{one_thread};
    std::vector<chain> all;
    all.reserve(chains);
    for (std::size_t i = 0; i < chains; ++i)
        all.emplace_back(io, laps);
    const stopwatch watch;
    io.run();
    const figures measured{watch.ns() / static_cast<double>(laps * chains)};
    for (const chain& each : all)
        check(each.laps_left() == 0, "the number of laps");
    return measured;
}

figures fan_out(const sizes& size) {
    const auto handlers = static_cast<double>(size.fan_out);
    figures measured;
    const double before = memory_now().resident;
    asio::io_context io{one_thread};
    std::size_t ran = 0;
    for (int round = 0; round < 2; ++round) {
        const stopwatch watch;
        for (std::size_t i = 0; i < size.fan_out; ++i)
            asio::post(io, [&ran] { ++ran; });
        io.run();
        io.restart();
        measured.push_back(watch.ns() / handlers);
    }
    check(ran == 2 * size.fan_out, "the number of handlers that ran");
    measured.push_back((peak_resident() - before) / handlers);
    return measured;
}

/// Two threads with a context each. The other one runs what is posted to it until this one is done.
class two_threads {
public:
    ~two_threads() {
        there_work_.reset();
        thread_.join();
    }
    /// Runs `called` there, then `answered` here with what it returned.
    template <class F, class G>
    void call(F called, G answered) {
        ++calls_;
        asio::post(there_, [this, called, answered] {
            asio::post(here_, [this, answered, result = called()] {
                if (--calls_ == 0)
                    here_.stop();
                answered(result);
            });
        });
    }
    /// Until every call was answered, and made no further one.
    void run() {
        do {
            here_.restart();
            here_.run();
        } while (calls_ > 0);
    }

private:
    using work_guard = asio::executor_work_guard<asio::io_context::executor_type>;

    asio::io_context here_, there_;
    work_guard here_work_{here_.get_executor()}, there_work_{there_.get_executor()};
    std::size_t calls_ = 0;
    std::thread thread_{[this] { there_.run(); }};
};

void call_in_turn(two_threads& threads, std::size_t i, std::size_t end, std::size_t& sum) {
    if (i < end)
        threads.call([i] { return i; },
                     [&threads, i, end, &sum](std::size_t result) {
                         sum += result;
                         call_in_turn(threads, i + 1, end, sum);
                     });
}

figures call(const sizes& size) {
    const std::size_t laps = size.laps / 50;
    two_threads threads;
    std::size_t sum = 0;
    const wall_clock watch;
    call_in_turn(threads, 0, laps, sum);
    threads.run();
    const figures measured{watch.ns() / static_cast<double>(laps) / 1000};
    check(sum == sum_below(laps), "the sum of the results");
    return measured;
}

figures burst_of_calls(const sizes& size) {
    constexpr std::size_t calls = 1000;
    const std::size_t laps = size.laps / 5 / calls + 1;
    two_threads threads;
    std::size_t sum = 0;
    const wall_clock watch;
    for (std::size_t lap = 0; lap < laps; ++lap) {
        for (std::size_t i = 0; i < calls; ++i)
            threads.call([i] { return i; }, [&sum](std::size_t result) { sum += result; });
        threads.run();
    }
    const figures measured{watch.ns() / static_cast<double>(laps * calls)};
    check(sum == laps * sum_below(calls), "the sum of the results");
    return measured;
}

figures timers(const sizes& size) {
    const process_clock processors;
    asio::io_context io{one_thread};
    std::vector<asio::steady_timer> all;
    all.reserve(size.timers);
    lateness late;
    for (std::size_t i = 0; i < size.timers; ++i) {
        asio::steady_timer& timer =
            all.emplace_back(io, lateness::clock::now() + time_to_sleep(i, size.timers));
        timer.async_wait(
            [&late, &timer](const boost::system::error_code&) { late.woken(timer.expiry()); });
    }
    io.run();
    return {processors.ns() / 1e6, late.worst_ms(size.timers)};
}

} // namespace

measurements measurements_of_asio_callbacks() {
    return {
        {"yield2", [](const sizes& size) { return yield(2, size); }},
        {"yield1000", [](const sizes& size) { return yield(1000, size); }},
        {"fanout", &fan_out},
        {"call", &call},
        {"burst", &burst_of_calls},
        {"timers", &timers},
    };
}

} // namespace bench
