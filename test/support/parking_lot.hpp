// Many tasks that are parked at the same time, each with a stack.
#pragma once

#include "miou/trigger.hpp"

#include <cstddef>
#include <exception>
#include <vector>

namespace test {

/// Tasks of one domain park here until they are let go together.
class parking_lot {
public:
    void reserve(std::size_t tasks) { triggers_.reserve(tasks); }
    void park() {
        ++parked_;
        miou::trigger mine;
        triggers_.push_back(&mine);
        if (const std::exception_ptr stop = mine.await())
            std::rethrow_exception(stop);
    }
    std::size_t parked() const { return parked_; }
    void let_go() {
        for (miou::trigger* each : triggers_)
            each->signal();
        triggers_.clear();
    }

private:
    std::size_t parked_ = 0;
    std::vector<miou::trigger*> triggers_;
};

} // namespace test
