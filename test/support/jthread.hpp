// For standard libraries that lack std::jthread; `.ci/matrix` has it included before everything.
#pragma once

#include <thread>
#include <utility>

#ifndef __cpp_lib_jthread
namespace std {

class jthread : public thread {
public:
    using thread::thread;
    jthread(jthread&&) noexcept = default;
    jthread& operator=(jthread&& other) noexcept {
        end();
        thread::operator=(std::move(other));
        return *this;
    }
    ~jthread() { end(); }

private:
    void end() {
        if (joinable())
            join();
    }
};

} // namespace std
#endif
