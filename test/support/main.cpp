// The main function of every test program. Each test must leave the process without additional
// threads and descriptors. (The leak sanitizer checks the memory.)

#include "support/process.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace {

class nothing_left_behind final : public testing::EmptyTestEventListener {
    void OnTestStart(const testing::TestInfo&) override {
        threads_ = test::live_threads();
        descriptors_ = test::open_descriptors();
    }
    void OnTestEnd(const testing::TestInfo&) override {
        EXPECT_LE(test::live_threads(), threads_) << "a thread was left behind";
        EXPECT_EQ(test::open_descriptors(), descriptors_) << "a descriptor was left behind";
    }

    std::size_t threads_ = 0;
    std::size_t descriptors_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    std::jthread{[] {}}; // so that the thread sanitizer starts its own thread before any test
    testing::InitGoogleTest(&argc, argv);
    testing::UnitTest::GetInstance()->listeners().Append(new nothing_left_behind);
    return RUN_ALL_TESTS();
}
