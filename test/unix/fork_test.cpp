// Forked children that go on without `exec`, as those of prefork servers and daemons do.

#include "support/domains.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/tasks.hpp"

#include "miou/promise.hpp"
#include "miou/sys_signal.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>
#include <utility>

namespace {

using miou_unix::stop_request;
using test::domains;
using test::installed;

/// A forked child. It runs a function and ends with the status that the function returns.
class forked {
public:
    template <class F>
    explicit forked(F in_child)
        : pid_{::fork()} {
        if (pid_ == 0) {
            ::alarm(60); // a child that hangs is killed
            ::_exit(in_child());
        }
    }
    void send(int number) const { ::kill(pid_, number); }
    /// Its exit status, or the negated number of the signal that killed it.
    int wait() const {
        int status = 0;
        EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

private:
    const ::pid_t pid_;
};

/// One process blows it, and another one waits for that.
class whistle {
public:
    whistle()
        : ends_{test::raw_pipe()} {}
    ~whistle() {
        ::close(ends_.first);
        ::close(ends_.second);
    }
    whistle(const whistle&) = delete;
    whistle& operator=(const whistle&) = delete;
    void blow() const { EXPECT_EQ(::write(ends_.second, "!", 1), 1); }
    void hear() const {
        char byte;
        EXPECT_EQ(::read(ends_.first, &byte, 1), 1);
    }

private:
    const std::pair<int, int> ends_;
};

/// Forks a child in which a run waits for SIGUSR1, and sends that.
void expect_that_a_run_in_a_child_hears() {
    const whistle ready;
    const forked child{[&] {
        miou_unix::run({.domains = domains()}, [&] {
            const auto stop = stop_request::on({SIGUSR1});
            ready.blow();
            stop.wait();
        });
        return 3;
    }};
    ready.hear();
    child.send(SIGUSR1);
    EXPECT_EQ(child.wait(), 3);
}

TEST(fork, leaves_the_parent_its_signals) {
    miou_unix::run({.domains = domains()}, [] {
        for (int i = 0; i < 10; ++i) {
            int handled = 0;
            miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { ++handled; }));
            ::raise(SIGUSR1);
            EXPECT_EQ(forked{[] { return 3; }}.wait(), 3);
            ::raise(SIGUSR1);
            test::yield_until([&] { return handled >= 2; });
            EXPECT_EQ(handled, 2);
        }
    });
}

class in_child : public testing::Test {
protected:
    void SetUp() override {
        if (TEST_THREAD_SANITIZED)
            GTEST_SKIP() << "under the thread sanitizer the child of a process with threads can "
                            "neither start some nor get signals";
    }
};

TEST_F(in_child, a_run_gets_its_signals_whichever_thread_forked) {
    expect_that_a_run_in_a_child_hears();
    miou_unix::run({.domains = domains()}, [] {
        const auto stop = stop_request::on({SIGUSR1});
        expect_that_a_run_in_a_child_hears();
        miou::await_exn(test::anywhere(expect_that_a_run_in_a_child_hears));
        miou_unix::blocking(expect_that_a_run_in_a_child_hears);
        std::thread{expect_that_a_run_in_a_child_hears}.join();
        forked grandparent{[] {
            expect_that_a_run_in_a_child_hears();
            return testing::Test::HasFailure() ? 1 : 0;
        }};
        EXPECT_EQ(grandparent.wait(), 0);

        EXPECT_FALSE(stop.is_made()); // and the parent gets its own
        ::raise(SIGUSR1);
        stop.wait();
    });
}

TEST_F(in_child, a_run_that_goes_on_gets_its_signals) {
    const whistle ready;
    miou_unix::run({.domains = domains()}, [&] {
        const auto stop = stop_request::on({SIGUSR1});
        const forked child{[&] {
            ready.blow();
            stop.wait();
            return installed(SIGUSR1) == SIG_DFL ? 3 : 4;
        }};
        ready.hear();
        child.send(SIGUSR1);
        EXPECT_EQ(child.wait(), 3);
        EXPECT_FALSE(stop.is_made());
    });
}

TEST_F(in_child, a_run_that_goes_on_handles_what_was_delivered_before) {
    miou_unix::run({.domains = domains()}, [&] {
        int handled = 0;
        miou::sys_signal(SIGUSR1, miou::signal_handle([&](int) { ++handled; }));
        for (int i = 0; i < 10; ++i)
            ::raise(SIGUSR1);
        const forked child{[&] {
            test::yield_until([&] { return handled >= 10; });
            return handled;
        }};
        EXPECT_EQ(child.wait(), 10);
        test::yield_until([&] { return handled >= 10; });
        EXPECT_EQ(handled, 10);
    });
}

TEST_F(in_child, the_signals_of_runs_that_do_not_exist_there_behave_as_before) {
    std::signal(SIGUSR1, SIG_IGN);
    miou_unix::run({.domains = domains()}, [] {
        miou::sys_signal(SIGUSR1, miou::signal_handle([](int) {}));
        const auto is_ignored = [] {
            return forked{[] { return installed(SIGUSR1) == SIG_IGN; }}.wait() == 1;
        };
        EXPECT_FALSE(is_ignored()); // the forking thread runs the run, so the child has it
        EXPECT_TRUE(miou_unix::blocking(is_ignored));
        if (domains() > 0) {
            EXPECT_TRUE(miou::await_exn(test::anywhere(is_ignored)));
        }
    });
    std::signal(SIGUSR1, SIG_DFL);
}

TEST_F(in_child, a_run_restores_the_signals_that_it_found) {
    std::signal(SIGUSR1, SIG_IGN);
    miou_unix::run({.domains = domains()}, [] {
        const auto stop_of_parent = stop_request::on({SIGUSR1});
        const auto restored_in_child = [] {
            const auto found = installed(SIGUSR1);
            miou_unix::run({.domains = domains()}, [] {
                stop_request::on({SIGUSR1, SIGUSR2});
                miou::sys_signal(SIGUSR2, miou::signal_handle([](int) {}));
            });
            return installed(SIGUSR1) == found && installed(SIGUSR2) == SIG_DFL;
        };
        EXPECT_EQ(forked{restored_in_child}.wait(), 1);
        EXPECT_EQ(miou_unix::blocking([&] { return forked{restored_in_child}.wait(); }), 1);
        EXPECT_FALSE(stop_of_parent.is_made());
    });
    EXPECT_EQ(installed(SIGUSR1), SIG_IGN);
    std::signal(SIGUSR1, SIG_DFL);
}

TEST_F(in_child, a_run_may_start_whatever_other_threads_did_at_the_fork) {
    std::atomic<bool> enough = false;
    const auto set_signals = [&](int number) {
        while (!enough)
            miou::run({.domains = 0}, [number] {
                bool handled = false;
                miou::sys_signal(number, miou::signal_handle([&](int) { handled = true; }));
                ::raise(number);
                test::yield_until([&] { return handled; });
            });
    };
    std::jthread one{set_signals, SIGUSR1};
    std::jthread two{set_signals, SIGUSR2};
    for (int i = 0; i < test::scaled(100, 10); ++i) {
        const forked child{[] {
            miou_unix::run({.domains = domains()}, [] {
                const auto stop = stop_request::on({SIGUSR1});
                ::raise(SIGUSR1);
                stop.wait();
            });
            return installed(SIGUSR1) == SIG_DFL && installed(SIGUSR2) == SIG_DFL ? 3 : 4;
        }};
        EXPECT_EQ(child.wait(), 3);
    }
    enough = true;
}

} // namespace
