// Resources, which a task owns and must give back.
#pragma once

#include "miou/config.hpp"
#include "miou/detail/inbox.hpp"
#include "miou/detail/task.hpp"

#include <cstdint>
#include <memory>

namespace miou::detail {

/// A value with its finaliser. At most one task owns it at a time. That task's list keeps it alive,
/// and the user's handles share it.
///
///     nobody --claim--> task --give_to--> another task of the same domain
///       ^                | |
///       +----disown------+ +--send_to--> on its way --arrive--> a task of another domain
struct MIOU_API resource : mail, std::enable_shared_from_this<resource> {
    resource() noexcept
        : mail{mail_kind::resource} {}
    virtual ~resource() = default;

    /// Runs the user's finaliser. Throws what that throws.
    virtual void finalise() = 0;

    /// Any thread.
    bool is_owned() const noexcept { return owner_.load(memory_order_relaxed) != nullptr; }
    bool is_owned_by(const task& t) const noexcept {
        return owner_.load(memory_order_relaxed) == &t;
    }
    /// Any thread: the first caller gets it, the others get false. `new_owner` must live on this
    /// domain, or not be spawned yet.
    bool claim(task& new_owner) noexcept;

    resource_uid number() const noexcept {
        return resource_uid{number_.load(memory_order_relaxed)};
    }

    // Only on the domain of the owner.
    std::shared_ptr<resource> disown() noexcept;
    void give_to(task& new_owner) noexcept;
    void send_to(task& elsewhere) noexcept;
    // Only on the domain that it was sent to.
    void arrive() noexcept;

private:
    void link(task& owner) noexcept;
    std::shared_ptr<resource> unlink() noexcept;
    static task* on_its_way() noexcept { return reinterpret_cast<task*>(std::uintptr_t{1}); }

    // Any thread compares it; only the owner's domain follows it. The release in `disown` pairs
    // with the acquire in `claim`: then the links below are free again.
    atomic<task*> owner_ = nullptr;
    atomic<std::uint64_t> number_ = 0; // given by the first owner's domain
    std::shared_ptr<resource> next_;   // the owner's list
    resource* previous_ = nullptr;
    task* destination_ = nullptr;          // while it is on its way,
    std::shared_ptr<resource> in_transit_; // and kept alive by this
};

/// Finalises all resources that `owner` still owns, newest first. Logs what finalisers throw.
void finalise_resources(task& owner) noexcept;

} // namespace miou::detail
