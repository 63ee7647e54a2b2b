// Each fiber has its own exceptions, wherever it suspends.

#include "miou/miou.hpp"
#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/sanitized.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct tagged : std::exception {
    explicit tagged(int t)
        : tag{t} {}
    int tag;
};

/// The tag of the exception that is being handled, or -1.
int handled_tag() {
    const std::exception_ptr handled = std::current_exception();
    if (!handled)
        return -1;
    try {
        std::rethrow_exception(handled);
    } catch (const tagged& it) {
        return it.tag;
    } catch (...) {
        return -2;
    }
}

/// Throws `tag` past a destructor that runs `fn`, and catches it.
template <class F>
void unwind_through(int tag, F fn) {
    const int handled_before = handled_tag();
    try {
        const miou::at_end clean_up{[&] {
            EXPECT_EQ(std::uncaught_exceptions(), 1);
            fn();
            EXPECT_EQ(std::uncaught_exceptions(), 1);
        }};
        throw tagged{tag};
    } catch (const tagged& it) {
        EXPECT_EQ(it.tag, tag);
        EXPECT_EQ(handled_tag(), tag);
    }
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    EXPECT_EQ(handled_tag(), handled_before);
}

/// Runs `fn(number)` in `each` tasks on every domain, dom0 included, all at the same time.
template <class F>
void everywhere(int each, F fn) {
    miou::run({.domains = test::domains()}, [&] {
        const auto crowd = [&fn, each](int domain) {
            std::vector<miou::promise<void>> tasks;
            for (int i = 0; i < each; ++i)
                tasks.push_back(miou::async([&fn, n = domain * each + i] { fn(n); }));
            for (const auto& task : tasks)
                miou::await_exn(task);
        };
        std::vector<miou::promise<void>> crowds;
        crowds.push_back(miou::async([&] { crowd(0); }));
        for (const miou::domain_uid domain : miou::domain::all())
            crowds.push_back(miou::call({.pin = domain}, [&, domain] { crowd(domain.to_int()); }));
        for (const auto& task : crowds)
            miou::await_exn(task);
    });
}

/// A child on another domain, if there is one.
template <class F>
auto spawn_away(F fn) {
    return miou::domain::available() > 0 ? miou::call(fn) : miou::async(fn);
}

void yield_times(int n) {
    for (int i = 0; i < n; ++i)
        miou::yield();
}

TEST(exceptions, a_fiber_that_suspends_in_a_catch_block_sees_its_own_exception_afterwards) {
    everywhere(2, [](int n) {
        bool rethrown = false;
        try {
            try {
                throw tagged{n};
            } catch (const tagged& it) {
                for (int i = 0; i < 10; ++i) {
                    miou::yield();
                    EXPECT_EQ(it.tag, n);
                    EXPECT_EQ(handled_tag(), n);
                }
                throw;
            }
        } catch (const tagged& it) {
            rethrown = true;
            EXPECT_EQ(it.tag, n);
        }
        EXPECT_TRUE(rethrown);
        EXPECT_EQ(handled_tag(), -1);
    });
}

void descend(int base, int depth) {
    try {
        throw tagged{base + depth};
    } catch (const tagged&) {
        miou::yield();
        EXPECT_EQ(handled_tag(), base + depth);
        if (depth > 0)
            descend(base, depth - 1);
        miou::yield();
        EXPECT_EQ(handled_tag(), base + depth);
        if (depth % 2 == 0)
            return;
        try {
            throw;
        } catch (const tagged& it) {
            miou::yield();
            EXPECT_EQ(it.tag, base + depth);
        }
        EXPECT_EQ(handled_tag(), base + depth);
    }
}

TEST(exceptions, nested_catch_blocks_that_suspend_at_every_level_keep_their_order) {
    everywhere(8, [](int n) { descend(1000 * n, 6); });
}

TEST(exceptions, hundreds_of_fibers_interleave_catch_yield_and_rethrow) {
    everywhere(test::scaled(300, 100), [](int n) {
        for (int round = 0; round < 5; ++round) {
            const int tag = 10 * n + round;
            try {
                try {
                    yield_times(n % 3);
                    throw tagged{tag};
                } catch (...) {
                    yield_times(1 + (n + round) % 4);
                    EXPECT_EQ(handled_tag(), tag);
                    unwind_through(-10 - n, [n] { yield_times(n % 2); });
                    EXPECT_EQ(handled_tag(), tag);
                    throw;
                }
            } catch (const tagged& it) {
                EXPECT_EQ(it.tag, tag);
            }
        }
    });
}

TEST(exceptions, a_fiber_that_finishes_or_starts_meanwhile_does_not_disturb_a_handler) {
    everywhere(4, [](int n) {
        try {
            throw tagged{n};
        } catch (const tagged&) {
            for (int i = 0; i < 20; ++i) {
                const auto child = miou::async([n, i] {
                    EXPECT_EQ(handled_tag(), -1);
                    EXPECT_EQ(std::uncaught_exceptions(), 0);
                    throw tagged{-n - i - 10};
                });
                EXPECT_TRUE(miou::await(child).has_error());
                EXPECT_EQ(handled_tag(), n);
            }
        }
    });
}

TEST(exceptions, throw_with_nested_after_a_suspension_nests_the_tasks_own_exception) {
    everywhere(8, [](int n) {
        try {
            try {
                throw tagged{n};
            } catch (...) {
                miou::yield();
                std::throw_with_nested(std::runtime_error{"outer"});
            }
        } catch (const std::nested_exception& outer) {
            miou::yield();
            try {
                outer.rethrow_nested();
            } catch (const tagged& inner) {
                EXPECT_EQ(inner.tag, n);
            }
        }
    });
}

TEST(exceptions, the_number_of_uncaught_exceptions_is_per_fiber) {
    everywhere(2, [](int n) {
        if (n % 2 == 0) {
            unwind_through(n, [] {
                for (int i = 0; i < 20; ++i) {
                    miou::yield();
                    EXPECT_EQ(std::uncaught_exceptions(), 1);
                }
            });
        } else {
            for (int i = 0; i < 20; ++i) {
                miou::yield();
                EXPECT_EQ(std::uncaught_exceptions(), 0);
                EXPECT_EQ(std::current_exception(), nullptr);
            }
        }
    });
}

TEST(exceptions, unwinding_inside_unwinding_may_suspend_at_both_levels) {
    everywhere(4, [](int n) {
        unwind_through(n, [n] {
            miou::yield();
            try {
                const miou::at_end inner{[] {
                    miou::yield();
                    EXPECT_EQ(std::uncaught_exceptions(), 2);
                }};
                throw tagged{n + 100};
            } catch (const tagged& it) {
                miou::yield();
                EXPECT_EQ(it.tag, n + 100);
                EXPECT_EQ(std::uncaught_exceptions(), 1);
            }
        });
    });
}

TEST(exceptions, a_destructor_may_await_a_child_during_unwinding) {
    everywhere(4, [](int n) {
        unwind_through(n, [n] {
            const auto child = miou::async([n] {
                EXPECT_EQ(std::uncaught_exceptions(), 0);
                miou::yield();
                return n;
            });
            EXPECT_EQ(miou::await_exn(child), n);
            const auto failing = miou::async([n]() -> int {
                miou::yield();
                throw tagged{n + 100};
            });
            EXPECT_TRUE(miou::await(failing).has_error());
        });
    });
}

TEST(exceptions, a_destructor_may_lock_a_contended_mutex_during_unwinding) {
    miou::mutex contended;
    int holders = 0;
    everywhere(8, [&](int n) {
        unwind_through(n, [&] {
            const std::scoped_lock held{contended};
            EXPECT_EQ(++holders, 1);
            yield_times(3);
            --holders;
        });
    });
}

TEST(exceptions, a_destructor_may_cancel_a_child_during_unwinding) {
    everywhere(4, [](int n) {
        miou::trigger never;
        std::optional<miou::promise<void>> child = miou::async([&never] {
            if (const std::exception_ptr stop = never.await())
                std::rethrow_exception(stop);
        });
        miou::yield();
        unwind_through(n, [&] { miou::cancel(*child); });
        EXPECT_TRUE(test::failed_with<miou::cancelled>(miou::await(*child)));
    });
}

TEST(exceptions, a_destructor_may_use_another_domain_during_unwinding) {
    miou::run({.domains = test::at_least(1)}, [] {
        unwind_through(1, [] {
            const auto child = miou::call([] {
                miou::yield();
                return miou::domain::self().to_int();
            });
            EXPECT_GT(miou::await_exn(child), 0);
            miou::trigger never;
            const auto endless = miou::call([&never] { return never.await() != nullptr; });
            miou::cancel(endless);
            EXPECT_TRUE(test::failed_with<miou::cancelled>(miou::await(endless)));
        });
    });
}

TEST(exceptions, the_clean_up_of_a_cancelled_task_is_not_interrupted_by_its_cancellation) {
    everywhere(4, [](int) {
        miou::trigger never;
        bool cleaned_up = false;
        bool child_ran = false;
        const auto victim = miou::async([&] {
            const miou::at_end clean_up{[&] {
                yield_times(3);
                // Spawned while an exception is in flight, it is shielded as its parent is.
                const auto helper = miou::async([&] {
                    yield_times(3);
                    child_ran = true;
                });
                EXPECT_TRUE(miou::await(helper).has_value());
                cleaned_up = true;
            }};
            if (const std::exception_ptr stop = never.await())
                std::rethrow_exception(stop);
        });
        miou::yield();
        miou::cancel(victim);
        EXPECT_TRUE(child_ran);
        EXPECT_TRUE(cleaned_up);
        EXPECT_TRUE(test::failed_with<miou::cancelled>(miou::await(victim)));
    });
}

TEST(exceptions, an_exception_from_the_clean_up_of_a_cancelled_task_harms_no_other_task) {
    everywhere(4, [](int n) {
        miou::trigger never;
        const auto victim = miou::async([&never, n] {
            try {
                if (const std::exception_ptr stop = never.await())
                    std::rethrow_exception(stop);
            } catch (const miou::cancelled&) {
                throw tagged{n};
            }
        });
        const auto bystander = miou::async([n] {
            yield_times(5);
            return n;
        });
        miou::yield();
        miou::cancel(victim);
        EXPECT_TRUE(test::failed_with<miou::cancelled>(miou::await(victim)));
        EXPECT_EQ(miou::await_exn(bystander), n);
    });
}

TEST(exceptions, a_cancellation_inside_a_handler_is_an_exception_of_its_own) {
    everywhere(4, [](int n) {
        bool seen = false;
        const auto victim = miou::async([&seen, n] {
            miou::trigger never;
            try {
                throw tagged{n};
            } catch (const tagged&) {
                try {
                    if (const std::exception_ptr stop = never.await())
                        std::rethrow_exception(stop);
                } catch (const miou::cancelled&) {
                    EXPECT_EQ(handled_tag(), -2);
                }
                seen = handled_tag() == n;
                throw;
            }
        });
        miou::yield();
        miou::cancel(victim);
        EXPECT_TRUE(seen);
    });
}

TEST(exceptions, what_a_child_throws_reaches_its_parent) {
    miou::run({.domains = test::domains()}, [] {
        const auto child = spawn_away([]() -> int { throw tagged{7}; });
        EXPECT_TRUE(miou::await(child).has_error());
        EXPECT_EQ(miou::await(child).error(), miou::await(child).error());
        EXPECT_THROW(miou::await_exn(child), tagged);
        EXPECT_EQ(child.state(), miou::promise_state::exited);

        const auto odd = spawn_away([] { throw 42; });
        EXPECT_THROW(miou::await_exn(odd), int);
    });
}

TEST(exceptions, an_exception_crosses_several_tasks_and_domains_unchanged) {
    miou::run({.domains = test::at_least(1)}, [] {
        const auto first = miou::call([] {
            const auto second = miou::async([] {
                const auto third = miou::async([] {
                    miou::yield();
                    throw std::out_of_range{"from far away"};
                });
                miou::await_exn(third);
            });
            miou::await_exn(second);
        });
        try {
            miou::await_exn(first);
            ADD_FAILURE();
        } catch (const std::out_of_range& error) {
            miou::yield();
            EXPECT_STREQ(error.what(), "from far away");
        }
    });
}

TEST(exceptions, an_exception_of_a_called_task_lives_as_long_as_something_holds_it) {
    struct counted : std::exception {
        explicit counted(std::shared_ptr<int> u)
            : use{std::move(u)} {}
        std::shared_ptr<int> use;
    };
    const auto use = std::make_shared<int>();
    std::exception_ptr kept;
    miou::run({.domains = test::domains()}, [&] {
        const auto child = spawn_away([use] { throw counted{use}; });
        kept = miou::await(child).error();
    });
    EXPECT_THROW(std::rethrow_exception(kept), counted);
    EXPECT_GT(use.use_count(), 1);
    kept = nullptr;
    EXPECT_EQ(use.use_count(), 1);
}

TEST(exceptions, run_throws_what_the_root_throws_even_after_a_suspension_in_its_handler) {
    try {
        miou::run({.domains = test::domains()}, [] {
            const auto child = miou::async([] {
                unwind_through(1, [] { miou::yield(); });
                throw tagged{2};
            });
            try {
                throw tagged{3};
            } catch (...) {
                EXPECT_TRUE(miou::await(child).has_error());
                throw;
            }
        });
        ADD_FAILURE();
    } catch (const tagged& it) {
        EXPECT_EQ(it.tag, 3);
    }
    EXPECT_EQ(std::current_exception(), nullptr);
    EXPECT_EQ(std::uncaught_exceptions(), 0);
}

TEST(exceptions, a_run_inside_a_handler_or_a_destructor_leaves_the_exception_alone) {
    const auto inner = [] {
        miou::run({.domains = 0}, [] {
            EXPECT_EQ(std::uncaught_exceptions(), 0);
            const auto child = miou::async([] { throw tagged{5}; });
            EXPECT_TRUE(miou::await(child).has_error());
        });
    };
    try {
        throw tagged{4};
    } catch (const tagged&) {
        inner();
        EXPECT_EQ(handled_tag(), 4);
    }
    unwind_through(6, inner);
    miou::run({.domains = test::domains()}, [&] { unwind_through(8, inner); });
}

} // namespace
