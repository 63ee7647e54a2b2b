#include "runtimes.hpp"

namespace bench {
namespace {

measurements all_of_miou() {
    measurements all = measurements_of_miou();
    all.merge(measurements_of_miou_unix());
    return all;
}

measurements only(const std::vector<std::string>& works, const measurements& all) {
    measurements some;
    for (const std::string& each : works)
        some.insert(*all.find(each));
    return some;
}

} // namespace

const std::vector<contestant>& contestants() {
    static const std::vector<contestant> all = {
        {"floor", "jump_fcontext", measurements_of_floor()},
        {"miou", "miou", all_of_miou()},
#ifdef BENCH_BOOST_FIBER
        {"boost", "Boost.Fiber", measurements_of_boost_fiber()},
#endif
        {"asio", "Asio callbacks", measurements_of_asio_callbacks()},
        {"coroutines", "Asio coroutines", measurements_of_asio_coroutines()},
#ifdef BENCH_GO
        {"go", "Go", measurements_of_go()},
#endif
        {"untraced", "miou, no traces",
         only({"yield2", "yield1000", "spawn"}, measurements_of_miou_untraced())},
    };
    return all;
}

} // namespace bench
