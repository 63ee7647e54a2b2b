// The one place where randomness enters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

namespace miou::detail {

/// A stream of draws that are the same on every platform: the engine is specified by the standard,
/// the distributions of <random> are not, hence the own one.
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
