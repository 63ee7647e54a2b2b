#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string_view>

namespace bench {
namespace {

constexpr const char* help =
    R"(Benchmarks of miou, Boost.Fiber and bare jump_fcontext, interleaved in one run.

  --repetitions N   of each measurement (5); the table shows medians
  --works A,B       only these: yield2 yield1000 spawn fanout skynet pingpong call parked cancel
  --runtimes A,B    only these: floor miou boost untraced
  --laps N          of the loops (1000000)
  --fan-out N       children of the fan-out (100000)
  --parked N        parked fibers (100000)
  --skynet N        leaves, a power of 10 (1000000)
  --tree N          leaves of the cancelled tree, a power of 10 (100000)
  --growth N        the largest number of tasks in the growth table (100000); 0: no table
  --large           1000000 for --fan-out, --parked and --growth; needs 10 GiB, with boost 25
  --patience S      do not repeat a work whose runs took more than S seconds (10)
  --no-fork         measure in this process, for profilers
  --help            this
)";

[[noreturn]] void refuse(std::string_view argument) {
    std::fprintf(stderr, "bench: bad argument: %.*s; see --help\n",
                 static_cast<int>(argument.size()), argument.data());
    std::exit(EXIT_FAILURE);
}

std::size_t number(std::string_view text) {
    std::size_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [parsed_to, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || parsed_to != end)
        refuse(text);
    return value;
}

std::vector<std::string> list(const std::string& text) {
    std::vector<std::string> found;
    std::istringstream in{text};
    for (std::string each; std::getline(in, each, ',');)
        found.push_back(each);
    return found;
}

} // namespace

bool is_chosen(const std::vector<std::string>& chosen, const std::string& name) {
    return chosen.empty() || std::find(chosen.begin(), chosen.end(), name) != chosen.end();
}

options parse(int argc, char** argv) {
    options chosen;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        const auto value = [&]() -> const char* {
            if (++i == argc)
                refuse(name);
            return argv[i];
        };
        if (name == "--repetitions")
            chosen.repetitions = std::max<std::size_t>(1, number(value()));
        else if (name == "--works")
            chosen.works = list(value());
        else if (name == "--runtimes")
            chosen.runtimes = list(value());
        else if (name == "--laps")
            chosen.size.laps = number(value());
        else if (name == "--fan-out")
            chosen.size.fan_out = number(value());
        else if (name == "--parked")
            chosen.size.parked = number(value());
        else if (name == "--skynet")
            chosen.size.skynet = number(value());
        else if (name == "--tree")
            chosen.size.tree = number(value());
        else if (name == "--growth")
            chosen.growth_to = number(value());
        else if (name == "--large")
            chosen.size.fan_out = chosen.size.parked = chosen.growth_to = 1'000'000;
        else if (name == "--patience")
            chosen.patience = static_cast<double>(number(value()));
        else if (name == "--no-fork")
            chosen.fork = false;
        else if (name == "--help")
            std::exit(std::fputs(help, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        else
            refuse(name);
    }
    return chosen;
}

} // namespace bench
