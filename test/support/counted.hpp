// Objects that are counted, to show that none is left behind.
#pragma once

#include <atomic>
#include <memory>

namespace test {

/// Is counted in `alive` from its construction to its destruction; so is each copy. It owns memory,
/// so the leak sanitizer reports one that is lost.
class counted {
public:
    explicit counted(std::atomic<int>& alive)
        : alive_{&alive}
        , memory_{new char[64]} {
        ++alive;
    }
    counted(const counted& other)
        : counted{*other.alive_} {}
    counted& operator=(const counted&) = delete;
    ~counted() { --*alive_; }

private:
    std::atomic<int>* alive_;
    std::unique_ptr<char[]> memory_;
};

} // namespace test
