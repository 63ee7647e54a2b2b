// Memory for fiber stacks, cut from slabs. Each stack has a guard page below it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace miou::detail {

/// The usable memory of one stack; the guard lies right below `base`.
struct stack {
    std::byte* base = nullptr;
    std::size_t size = 0;

    std::byte* top() const noexcept { return base + size; }
    /// Whether `address` lies in the guard. Also in a signal handler.
    bool has_guard_at(const void* address) const noexcept;
};

struct guard_settings {
    bool by_mprotect; // also where the kernel has guards that cost no mapping
    bool may_lack;    // when there can be no more of them
};

/// The stacks of one domain.
///
///     slab:  | guard | stack 0 ........ | guard | stack 1 ........ | guard | ...
///
/// A stack is cut from a slab when it is first needed. It gets its guard page then, and keeps it
/// for life. Where the kernel has MADV_GUARD_INSTALL (Linux 6.13), a guard page costs no mapping.
/// Elsewhere they are made with mprotect, so vm.max_map_count limits their number. If a guard page
/// cannot be made, the stack is not handed out, unless the settings say so.
class stack_pool {
public:
    explicit stack_pool(guard_settings guards) noexcept
        : guards_{guards} {}
    stack_pool(const stack_pool&) = delete;
    stack_pool& operator=(const stack_pool&) = delete;
    ~stack_pool();

    /// Throws `no_stack`.
    stack take();
    /// Keeps the address ranges and the guard pages, returns the memory to the system. A call to
    /// the system costs more than the memory of a stack, so give back many at once.
    void give_back(std::span<const stack> released) noexcept;
    static constexpr std::size_t most_at_once = 64;

private:
    struct slab {
        std::byte* begin;
        std::size_t size;
    };

    void add_slab();
    void install_guard(std::byte* begin);

    const guard_settings guards_;
    std::size_t mprotected_ = 0; // guards of this pool
    std::vector<slab> slabs_;
    std::vector<stack> unused_;
    std::byte* uncut_ = nullptr; // what is left of the newest slab
    std::size_t uncut_size_ = 0;
    std::size_t cut_ = 0;
};

} // namespace miou::detail
