// Benchmarks: see --help. Machines are noisy, so only medians of interleaved repetitions, and their
// ratios, mean anything.
#include "about.hpp"
#include "catalogue.hpp"
#include "growth.hpp"
#include "measure.hpp"
#include "options.hpp"
#include "process.hpp"
#include "report.hpp"
#include "runtimes.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace {

using namespace bench;

class bench_run {
public:
    explicit bench_run(const options& chosen)
        : chosen_{chosen} {
        refuse_unknown(chosen.works, catalogue());
        refuse_unknown(chosen.runtimes, contestants());
        for (const contestant& each : contestants())
            if (is_chosen(chosen.runtimes, each.name))
                contestants_.push_back(each);
    }

    table works() {
        table found{"medians (spread)", {}, {}};
        for (const contestant& each : contestants_)
            found.columns.push_back({each.name, each.title});
        for (const work& each : catalogue())
            if (is_chosen(chosen_.works, each.name) && has_processors_for(each))
                add_work(each, found);
        return found;
    }

    table growth_of(const growth& what) {
        table found{what.title, {}, {}};
        for (const std::size_t each : what.counts)
            found.columns.push_back({std::to_string(each), std::to_string(each)});
        for (const growing_operation& each : what.operations) {
            row measured{{each.name, "ns"}, "", std::vector<figures>(what.counts.size())};
            for (std::size_t repetition = 0; repetition < chosen_.repetitions; ++repetition)
                for (std::size_t i = 0; i < what.counts.size(); ++i)
                    for (const double ns :
                         measure(each.name, [&] { return figures{each.measure(what.counts[i])}; }))
                        measured.measured[i].push_back(ns);
            found.rows.push_back(std::move(measured));
        }
        return found;
    }

    bool has_failed() const { return has_failed_; }

private:
    template <class T>
    static void refuse_unknown(const std::vector<std::string>& names, const std::vector<T>& known) {
        for (const std::string& name : names)
            if (std::none_of(known.begin(), known.end(),
                             [&](auto& each) { return each.name == name; }))
                throw std::invalid_argument{"this program has no " + name + "; see --help"};
    }

    /// On a single processor threads would take turns, as fibers do.
    static bool has_processors_for(const work& one) {
        return one.threads == 1 || std::thread::hardware_concurrency() > 1;
    }

    /// Makes all repetitions of one work, with the runtimes in turn, and adds its rows.
    void add_work(const work& one, table& to) {
        const std::size_t first = to.rows.size();
        for (const quantity& each : one.quantities)
            to.rows.push_back({each, one.group, std::vector<figures>(contestants_.size())});
        std::vector<double> spent(contestants_.size());
        for (std::size_t repetition = 0; repetition < chosen_.repetitions; ++repetition)
            for (std::size_t i = 0; i < contestants_.size(); ++i) {
                const auto found = contestants_[i].can_do.find(one.name);
                if (found == contestants_[i].can_do.end() ||
                    spent[i] > static_cast<double>(chosen_.patience))
                    continue;
                const wall_clock watch;
                const figures measured = measure(one.name + " of " + contestants_[i].name,
                                                 [&] { return found->second(chosen_.size); });
                spent[i] += watch.ns() / 1e9;
                for (std::size_t k = 0; k < measured.size(); ++k)
                    to.rows[first + k].measured[i].push_back(measured[k]);
            }
    }

    /// Nothing if that fails.
    figures measure(const std::string& name, const std::function<figures()>& what) {
        try {
            return chosen_.fork ? in_child(what) : what();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "bench: %s: %s\n", name.c_str(), error.what());
            has_failed_ = true;
            return {};
        }
    }

    const options& chosen_;
    std::vector<contestant> contestants_;
    bool has_failed_ = false;
};

void write(const report& found, const options& chosen) {
    write_text(std::cout, found);
    if (!chosen.json.empty()) {
        std::ostringstream out;
        write_json(out, found);
        write_file(chosen.json, out.str());
    }
    if (!chosen.charts.empty())
        write_charts(chosen.charts, found);
    if (!chosen.markdown.empty())
        write_markdown(chosen.markdown, found, chosen.charts);
}

} // namespace

int main(int argc, char** argv) try {
    const options chosen = parse(argc, argv);
    bench_run run{chosen};
    report found{about(chosen), run.works(), {}};
    for (const growth& each :
         {growth_of_tasks(chosen.growth_to), growth_of_domains(chosen.growth_domains)})
        if (!each.counts.empty())
            found.growth.push_back(run.growth_of(each));
    write(found, chosen);
    return run.has_failed() ? EXIT_FAILURE : EXIT_SUCCESS;
} catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return EXIT_FAILURE;
}
