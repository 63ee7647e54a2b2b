// The numbers of domains, tasks, suspension points and resources.
#pragma once

#include "miou/config.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>

namespace miou {
namespace detail {

// Defined elsewhere, because <ostream> takes a tenth of the time in which the headers compile.
MIOU_API std::ostream& print(std::ostream& out, int number);
MIOU_API std::ostream& print(std::ostream& out, std::uint64_t number);

} // namespace detail

/// Names a domain of one `run`: 0 is dom0, the thread that called `run`. OCaml:
/// `Miou.Domain.Uid.t`.
class domain_uid {
public:
    /// The domain numbered `n`; whether it exists is checked where it is used.
    static constexpr domain_uid of_int(int n) noexcept { return domain_uid{n}; }
    constexpr int to_int() const noexcept { return number_; }

    friend constexpr auto operator<=>(domain_uid, domain_uid) noexcept = default;
    friend std::ostream& operator<<(std::ostream& out, domain_uid uid) {
        return detail::print(out, uid.number_);
    }

private:
    explicit constexpr domain_uid(int n) noexcept
        : number_{n} {}
    int number_;
};

namespace detail {

/// A number for one kind of thing, not comparable to those of other kinds.
template <class Kind>
class uid {
public:
    constexpr explicit uid(std::uint64_t n) noexcept
        : number_{n} {}
    constexpr std::uint64_t to_int() const noexcept { return number_; }

    friend constexpr auto operator<=>(uid, uid) noexcept = default;
    friend std::ostream& operator<<(std::ostream& out, uid of) { return print(out, of.number_); }

private:
    std::uint64_t number_;
};

} // namespace detail

/// Names a task, unique within a run and the same in each run with the same seed and 0 domains.
/// OCaml: `Miou.Promise.Uid.t`.
using promise_uid = detail::uid<struct task_kind>;

/// Names a suspension point, unique within a run. OCaml: `Miou.uid`.
using syscall_uid = detail::uid<struct syscall_kind>;

/// Names a resource, unique within a run from when a task first owns it. OCaml: the `ruid` of
/// `Miou.Trace.event`.
using resource_uid = detail::uid<struct resource_kind>;

} // namespace miou

/// So that each number may be a key.
template <>
struct std::hash<miou::domain_uid> {
    std::size_t operator()(miou::domain_uid uid) const noexcept {
        return std::hash<int>{}(uid.to_int());
    }
};
template <class Kind>
struct std::hash<miou::detail::uid<Kind>> {
    std::size_t operator()(miou::detail::uid<Kind> uid) const noexcept {
        return std::hash<std::uint64_t>{}(uid.to_int());
    }
};
