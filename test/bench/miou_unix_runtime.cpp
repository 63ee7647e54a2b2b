// What the core of miou does not do: sleep.
#include "runtimes.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

namespace bench {
namespace {

struct miou_unix_runtime {
    using task = miou::promise<void>;

    template <class F>
    static void run(F fn) {
        miou_unix::run({.domains = 0}, fn);
    }
    template <class F>
    static task spawn(F fn) {
        return miou::async(std::move(fn));
    }
    static void join(task& child) { miou::await_exn(std::move(child)); }
    static void sleep(std::chrono::nanoseconds time) { miou_unix::sleep(time); }
};

} // namespace

measurements measurements_of_miou_unix() {
    return {{"timers", &works::timers<miou_unix_runtime>}};
}

} // namespace bench
