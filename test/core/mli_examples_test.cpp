// The examples of miou.mli, each with the outcome that the interface file states. The examples of
// effects have no counterpart. The sort is docs/examples/merge_sort.cpp.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"

#include <gtest/gtest.h>

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using test::at_least;
using test::contains;
using test::domains;
using test::failed_with;
using test::message_of;

TEST(mli, concurrent_digests_are_awaited_in_order) {
    const auto digest = [](const std::string& text) {
        return miou::async([=] { return std::pair{text, std::hash<std::string>{}(text)}; });
    };
    miou::run({.domains = domains()}, [&] {
        std::vector<miou::promise<std::pair<std::string, std::size_t>>> prms;
        for (const char* text : {"file01.ml", "file02.ml"})
            prms.push_back(digest(text));
        std::vector<std::string> names;
        for (const auto& prm : prms)
            names.push_back(miou::await_exn(prm).first);
        EXPECT_EQ(names, (std::vector<std::string>{"file01.ml", "file02.ml"}));
    });
}

TEST(mli, cooperation_interleaves_two_tasks) {
    std::string said;
    const auto pr = [&](const char* word, int n) {
        for (; n >= 0; --n) {
            miou::yield();
            said += word;
        }
    };
    miou::run({.domains = domains()}, [&] {
        const auto prm0 = miou::async([&] { pr("Hello ", 1); });
        const auto prm1 = miou::async([&] { pr("World ", 1); });
        miou::await_exn(prm0);
        miou::await_exn(prm1);
    });
    EXPECT_EQ(said, "Hello World Hello World ");
}

/// The suspension points of a domain by descriptor. It is `global` in the example, and one for each
/// domain here.
class readable_descriptors {
public:
    std::size_t read(int fd, char* buffer, std::size_t length) {
        const miou::syscall syscall;
        waiting_.insert({fd, syscall});
        miou::suspend(syscall);
        return static_cast<std::size_t>(::read(fd, buffer, length));
    }
    std::vector<miou::signal> select(bool block) {
        std::vector<::pollfd> fds;
        for (const auto& [fd, syscall] : waiting_)
            fds.push_back({fd, POLLIN, 0});
        ::poll(fds.data(), fds.size(), block ? 100 : 0);
        std::vector<miou::signal> signals;
        for (const ::pollfd& each : fds)
            if (each.revents != 0) {
                const auto found = waiting_.find(each.fd);
                signals.push_back(miou::signal{found->second});
                waiting_.erase(found);
            }
        return signals;
    }

private:
    std::map<int, miou::syscall> waiting_;
};

TEST(mli, a_system_of_ones_own_reads_a_descriptor) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    readable_descriptors system;
    const auto events = [&](miou::domain_uid) -> miou::events {
        return {.select = [&](bool block,
                              std::span<const miou::syscall_uid>) { return system.select(block); },
                .interrupt = {},
                .finaliser = {}};
    };
    char buffer[5];
    miou::run({.domains = 0, .events = events}, [&] {
        const auto reader = miou::async([&] { return system.read(pipe[0], buffer, 5); });
        miou::yield();
        EXPECT_EQ(::write(pipe[1], "hello", 5), 5);
        EXPECT_EQ(miou::await_exn(reader), 5u);
    });
    EXPECT_EQ(std::string(buffer, 5), "hello");
    ::close(pipe[0]);
    ::close(pipe[1]);
}

TEST(mli, a_child_that_is_forgotten_breaks_the_rule) {
    EXPECT_THROW(miou::run({.domains = domains()}, [] { return miou::async([] {}); }),
                 miou::still_has_children);
    EXPECT_THROW(miou::run({.domains = domains()}, [] { std::ignore = miou::async([] {}); }),
                 miou::still_has_children);
    EXPECT_THROW(miou::run({.domains = at_least(1)}, [] { std::ignore = miou::call([] {}); }),
                 miou::still_has_children);
}

TEST(mli, only_the_parent_awaits) {
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async([] {});
        const auto q = miou::async([&] { miou::await_exn(p); });
        const auto outcomes = miou::await_all({p, q});
        EXPECT_TRUE(outcomes[0].has_value());
        EXPECT_TRUE(failed_with<miou::not_a_child>(outcomes[1]));
    });
}

TEST(mli, a_call_in_a_call_runs_on_a_third_domain) {
    miou::run({.domains = at_least(2)}, [] {
        const auto prm1 = miou::call([] {
            const auto prm2 = miou::call([] { return miou::domain::self(); });
            return std::pair{miou::await_exn(prm2), miou::domain::self()};
        });
        const auto [u, v] = miou::await_exn(prm1);
        EXPECT_NE(u.to_int(), 0);
        EXPECT_NE(v.to_int(), 0);
        EXPECT_NE(u, v);
    });
}

TEST(mli, with_one_other_domain_every_call_goes_there) {
    miou::run({.domains = 1}, [] {
        const auto p = miou::call([] { return miou::domain::self(); });
        const auto q = miou::call([] { return miou::domain::self(); });
        EXPECT_EQ(miou::await_exn(p), miou::await_exn(q));
    });
}

TEST(mli, a_server_on_every_domain) {
    std::atomic<int> served = 0;
    const auto server = [&](int) { ++served; };
    miou::run({.domains = at_least(1)}, [&] {
        const auto prm = miou::async([&] { server(0); });
        for (const auto& outcome : miou::parallel(server, std::vector<int>(3)))
            outcome.value();
        miou::await_exn(prm);
    });
    EXPECT_EQ(served, 4);
}

TEST(mli, an_owner_that_fails_releases_its_resource) {
    std::string said;
    const auto show = [&](int) { said += "Resource released!"; };
    const auto text = message_of<std::runtime_error>([&] {
        miou::run({.domains = domains()}, [&] {
            miou::await_exn(miou::async([&] {
                const miou::ownership t{0, show};
                t.own();
                throw std::runtime_error{"p"};
            }));
        });
    });
    EXPECT_EQ(text, "p");
    EXPECT_EQ(said, "Resource released!");
}

TEST(mli, an_owner_that_returns_leaks_its_resource) {
    std::string said;
    const auto show = [&](int) { said += "Resource released!"; };
    EXPECT_THROW(miou::run({.domains = domains()},
                           [&] {
                               miou::await_exn(miou::async([&] {
                                   const miou::ownership t{0, show};
                                   t.own();
                               }));
                           }),
                 miou::resource_leaked);
    EXPECT_EQ(said, "Resource released!");
}

TEST(mli, orphans_are_cleaned_up_as_the_server_goes) {
    constexpr int clients = 100;
    std::atomic<int> handled = 0;
    miou::run({.domains = at_least(1)}, [&] {
        miou::orphans<void> orphans;
        const auto clean_up = [&] {
            while (const auto found = miou::care(orphans)) {
                if (!*found)
                    return;
                miou::await_exn(**found);
            }
        };
        for (int i = 0; i < clients; ++i) {
            clean_up();
            miou::call(orphans, [&] { ++handled; });
        }
        while (miou::get(orphans)) {
        }
    });
    EXPECT_EQ(handled, clients);
}

TEST(mli, orphans_belong_to_one_task) {
    const auto text = message_of<std::invalid_argument>([] {
        miou::run({.domains = domains()}, [] {
            miou::orphans<void> orphans;
            const auto prm = miou::async(orphans, [&] {
                const auto nested = miou::async(orphans, [] {});
                miou::await_exn(nested);
            });
            miou::await_exn(prm);
        });
    });
    EXPECT_TRUE(contains(text, "orphans")) << text;
}

TEST(mli, a_parent_that_fails_cancels_its_children) {
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async([] {
            const auto child_of_p = miou::async([] { test::forever(); });
            throw std::runtime_error{"p"};
        });
        EXPECT_TRUE(failed_with<std::runtime_error>(miou::await(p)));
    });
}

TEST(mli, await_one_does_not_await_the_others) {
    EXPECT_THROW(
        miou::run(
            {.domains = domains()},
            [] {
                miou::await_one({miou::async([] { return 1; }), miou::async([] { return 2; })});
            }),
        miou::still_has_children);
    miou::run({.domains = domains()}, [] {
        const auto p = miou::async([] { return 1; });
        const auto q = miou::async([] { return 2; });
        const int first = miou::await_one({p, q}).value();
        EXPECT_EQ(miou::await_exn(first == 1 ? q : p), 3 - first);
    });
}

TEST(mli, await_first_cancels_the_others) {
    miou::run({.domains = domains()}, [] {
        const auto p0 = miou::async([] {});
        const auto p1 = miou::async([] { test::forever(); });
        EXPECT_TRUE(miou::await_first({p0, p1}).has_value());
    });
}

TEST(mli, a_cancelled_child_need_not_be_awaited) {
    miou::run({.domains = at_least(1)}, [] { miou::cancel(miou::call([] {})); });
}

TEST(mli, a_finished_child_may_still_be_cancelled) {
    EXPECT_THROW(miou::run({.domains = domains()},
                           [] {
                               const auto p = miou::async([] {});
                               miou::await_exn(p);
                               miou::cancel(p);
                               miou::await_exn(p);
                           }),
                 miou::cancelled);
    std::string said;
    EXPECT_THROW(miou::run({.domains = domains()},
                           [&] {
                               const auto p = miou::async([&] { said += "Resolved!"; });
                               miou::yield();
                               miou::cancel(p);
                               miou::await_exn(p);
                           }),
                 miou::cancelled);
    EXPECT_EQ(said, "Resolved!");
}

TEST(mli, yield_lets_the_child_run_first) {
    std::string said;
    miou::run({.domains = domains()}, [&] {
        const auto p = miou::async([&] { said += "Hello "; });
        said += "World ";
        miou::await_exn(p);
    });
    EXPECT_EQ(said, "World Hello ");
    said.clear();
    miou::run({.domains = domains()}, [&] {
        const auto p = miou::async([&] { said += "Hello "; });
        miou::yield();
        said += "World ";
        miou::await_exn(p);
    });
    EXPECT_EQ(said, "Hello World ");
}

TEST(mli, a_hook_runs_at_each_step) {
    miou::run({.domains = domains()}, [] {
        int hellos = 0;
        const auto hook = miou::hook::add([&] { ++hellos; });
        miou::yield();
        miou::yield();
        hook.remove();
        EXPECT_EQ(hellos, 2);
    });
}

} // namespace
