// The one place where randomness enters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

namespace miou::detail {

/// A stream of draws that is the same on every platform. The standard specifies the engine, but not
/// the results of the distributions of <random>, so this has a distribution of its own.
class random_stream {
public:
    explicit random_stream(std::uint64_t seed)
        : engine_{seed} {}

    /// One of 0 .. n-1; n > 0. Rejects the draws that would favour small numbers.
    std::size_t below(std::size_t n) {
        const std::uint64_t reject = -std::uint64_t{n} % n;
        std::uint64_t draw;
        do
            draw = engine_();
        while (draw < reject);
        return static_cast<std::size_t>(draw % n);
    }

    /// A seed from the operating system, for runs without `.g`.
    static std::uint64_t fresh_seed() {
        std::random_device device;
        return std::uint64_t{device()} << 32 | device();
    }

private:
    std::mt19937_64 engine_;
};

} // namespace miou::detail
