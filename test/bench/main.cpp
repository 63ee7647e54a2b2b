// Benchmarks: see --help. Machines are noisy, so only medians of interleaved repetitions, and their
// ratios, mean anything.
#include "growth.hpp"
#include "measure.hpp"
#include "options.hpp"
#include "process.hpp"
#include "report.hpp"
#include "runtimes.hpp"

#include <cstdio>

namespace {

using namespace bench;

figures measure(const options& chosen, const std::function<figures()>& what) {
    return chosen.fork ? in_child(what) : what();
}

struct contestant {
    const char* name;
    measurements can_do;
};

/// Makes all repetitions of one work, with the runtimes in turn, and adds its rows.
void run_work(const work& one, const std::vector<contestant>& contestants, const options& chosen,
              std::vector<row>& rows) {
    const std::size_t first = rows.size();
    for (const std::string& name : one.rows)
        rows.push_back({name, std::vector<figures>(contestants.size())});
    std::vector<double> spent(contestants.size());
    for (std::size_t repetition = 0; repetition < chosen.repetitions; ++repetition)
        for (std::size_t i = 0; i < contestants.size(); ++i) {
            const auto found = contestants[i].can_do.find(one.name);
            if (found == contestants[i].can_do.end() ||
                !is_chosen(chosen.runtimes, contestants[i].name) || spent[i] > chosen.patience)
                continue;
            const wall_clock watch;
            const figures measured = measure(chosen, [&] { return found->second(chosen.size); });
            spent[i] += watch.ns() / 1e9;
            for (std::size_t k = 0; k < measured.size(); ++k)
                rows[first + k].measured[i].push_back(measured[k]);
        }
}

measurements only(const std::vector<std::string>& works, const measurements& all) {
    measurements some;
    for (const std::string& each : works)
        some.insert(*all.find(each));
    return some;
}

void run_growth(const options& chosen) {
    std::vector<std::size_t> tasks;
    for (std::size_t n = 1000; n <= chosen.growth_to; n *= 10)
        tasks.push_back(n);
    if (tasks.empty())
        return;
    std::vector<row> rows;
    for (const growing_operation& each : growing_operations()) {
        rows.push_back({each.name, std::vector<figures>(tasks.size())});
        for (std::size_t repetition = 0; repetition < chosen.repetitions; ++repetition)
            for (std::size_t i = 0; i < tasks.size(); ++i)
                for (const double ns :
                     measure(chosen, [&] { return figures{each.measure(tasks[i])}; }))
                    rows.back().measured[i].push_back(ns);
    }
    print_growth(tasks, rows);
}

} // namespace

int main(int argc, char** argv) {
    const options chosen = parse(argc, argv);
    const std::vector<contestant> contestants = {
        {"floor", measurements_of_floor()},
        {"miou", measurements_of_miou()},
        {"boost", measurements_of_boost_fiber()},
        {"untraced", only({"yield2", "yield1000", "spawn"}, measurements_of_miou_untraced())},
    };
    std::vector<row> rows;
    for (const work& each : catalogue())
        if (is_chosen(chosen.works, each.name))
            run_work(each, contestants, chosen, rows);
    std::printf("laps %zu, fan-out %zu, skynet %zu, parked %zu, tree %zu\n\n", chosen.size.laps,
                chosen.size.fan_out, chosen.size.skynet, chosen.size.parked, chosen.size.tree);
    print_table(rows);
    print_gates(rows);
    run_growth(chosen);
}
