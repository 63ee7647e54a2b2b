#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string_view>

namespace bench {
namespace {

constexpr const char* help =
    R"(Benchmarks of miou, its peers, and bare jump_fcontext, interleaved in one run. Each work checks
what it has done; a wrong result ends the program with a message and a failure.

  --repetitions N     of each measurement (5); the table shows medians
  --works A,B         only these: yield2 yield1000 spawn fanout skynet parked pingpong queue1
                      call burst queue2 pipeline contended timers cancel
  --runtimes A,B      only these: floor miou boost asio coroutines go untraced
  --laps N            of the loops (1000000)
  --fan-out N         children of the fan-out (100000)
  --parked N          parked fibers (100000)
  --skynet N          leaves, a power of 10 (1000000)
  --tree N            leaves of the cancelled tree, a power of 10 (100000)
  --timers N          sleepers (100000)
  --growth N          the largest number of tasks in the growth table (100000); 0: no table
  --growth-domains N  the largest number of domains in the other growth table (16); 0: no table
  --large             1000000 for --fan-out, --parked and --growth; needs 10 GiB, with boost 25
  --patience S        do not repeat a work whose runs took more than S seconds (10)
  --no-fork           measure in this process, for profilers
  --json FILE         write every repetition
  --markdown FILE     write the tables; in a file that has the lines <!-- figures --> and
                      <!-- end --> what is between them is replaced
  --charts FOLDER     write a bar chart for each group of rows, as SVG
  --help              this
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

bool is_power_of_ten(std::size_t value) {
    while (value > 1 && value % 10 == 0)
        value /= 10;
    return value == 1;
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
    std::map<std::string, std::size_t*> numbers = {
        {"--repetitions", &chosen.repetitions},
        {"--growth", &chosen.growth_to},
        {"--growth-domains", &chosen.growth_domains},
        {"--patience", &chosen.patience},
    };
    for (const auto& [name, member] : size_names())
        numbers[std::string{"--"} + name] = &(chosen.size.*member);
    const std::map<std::string, std::vector<std::string>*> lists = {
        {"--works", &chosen.works}, {"--runtimes", &chosen.runtimes}};
    const std::map<std::string, std::string*> paths = {
        {"--json", &chosen.json}, {"--markdown", &chosen.markdown}, {"--charts", &chosen.charts}};

    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        const auto value = [&]() -> const char* {
            if (++i == argc)
                refuse(name);
            return argv[i];
        };
        if (const auto as_number = numbers.find(name); as_number != numbers.end())
            *as_number->second = number(value());
        else if (const auto as_list = lists.find(name); as_list != lists.end())
            *as_list->second = list(value());
        else if (const auto as_path = paths.find(name); as_path != paths.end())
            *as_path->second = value();
        else if (name == "--large")
            chosen.size.fan_out = chosen.size.parked = chosen.growth_to = 1'000'000;
        else if (name == "--no-fork")
            chosen.fork = false;
        else if (name == "--help")
            std::exit(std::fputs(help, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        else
            refuse(name);
    }
    for (const auto& [name, member] : size_names())
        if (chosen.size.*member == 0)
            refuse("0");
    for (const std::size_t leaves : {chosen.size.skynet, chosen.size.tree})
        if (!is_power_of_ten(leaves))
            refuse(std::to_string(leaves));
    chosen.repetitions = std::max<std::size_t>(1, chosen.repetitions);
    return chosen;
}

} // namespace bench
