// How a system is injected into the scheduler: suspension points and the three functions of a
// domain's system.
#pragma once

#include "miou/detail/suspension.hpp"
#include "miou/unique_function.hpp"

#include <compare>
#include <cstdint>
#include <memory>
#include <ostream>
#include <span>
#include <vector>

namespace miou {

/// Names a domain of one `run`: 0 is dom0, the thread that called `run`. OCaml:
/// `Miou.Domain.Uid.t`.
class domain_uid {
public:
    /// The domain numbered `n`; whether it exists is checked where it is used.
    static constexpr domain_uid of_int(int n) noexcept { return domain_uid{n}; }
    constexpr int to_int() const noexcept { return number_; }

    friend constexpr auto operator<=>(domain_uid, domain_uid) noexcept = default;
    friend std::ostream& operator<<(std::ostream& out, domain_uid uid) {
        return out << uid.number_;
    }

private:
    explicit constexpr domain_uid(int n) noexcept
        : number_{n} {}
    int number_;
};

/// Names a suspension point, unique within its domain for the whole run. OCaml: `Miou.uid`.
class syscall_uid {
public:
    constexpr explicit syscall_uid(std::uint64_t n) noexcept
        : number_{n} {}
    constexpr std::uint64_t to_int() const noexcept { return number_; }

    friend constexpr auto operator<=>(syscall_uid, syscall_uid) noexcept = default;
    friend std::ostream& operator<<(std::ostream& out, syscall_uid uid) {
        return out << uid.number_;
    }

private:
    std::uint64_t number_;
};

class syscall;

/// Says that a suspension point is to be resumed; returned by `select`. OCaml: `Miou.signal`.
class signal {
public:
    /// May be made only on the domain of the task that made the syscall: `std::invalid_argument`
    /// elsewhere. Making a signal resumes nobody: returning it from `select` does.
    explicit signal(const syscall& point);

    /// For the scheduler, which gives the signal's point free to run.
    detail::suspension& point() const noexcept { return *point_; }

private:
    std::shared_ptr<detail::suspension> point_;
};

/// One domain's view of the system, made by `run`'s `.events` on the domain's own thread. All three
/// are optional; without an `interrupt`, `select` must return by itself from time to time, or what
/// other threads send to the domain is not seen.
/// OCaml: `Miou.events`.
struct events {
    /// Looks at the system and returns the suspension points to resume. `block` says that the
    /// domain has nothing else to do: wait until something happens or `interrupt` is called.
    /// `cancelled` are the points whose task was cancelled since the last look: forget them.
    /// Runs on the domain's thread, outside of any task. An exception ends the run.
    unique_function<std::vector<signal>(bool block, std::span<const syscall_uid> cancelled)> select;
    /// Makes a `select` that blocks return, or the next one if none does. Any thread. Never called
    /// from a POSIX signal handler. Must not throw.
    unique_function<void()> interrupt;
    /// Runs once on the domain's thread, after its last task.
    unique_function<void()> finaliser;
};

} // namespace miou
