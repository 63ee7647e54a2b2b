// Go is another program, which is started for each measurement, and prints the figures.
#include "catalogue.hpp"
#include "runtimes.hpp"

#include <cstdio>
#include <memory>
#include <sstream>
#include <stdexcept>

namespace bench {

#ifdef BENCH_GO

namespace {

/// Runs the program with the arguments, and returns what it printed.
std::string go(const std::string& arguments, std::size_t threads) {
    const std::string command =
        "GOMAXPROCS=" + std::to_string(threads) + " '" BENCH_GO "' " + arguments;
    std::FILE* const out = ::popen(command.c_str(), "r");
    if (out == nullptr)
        throw std::runtime_error{"popen failed"};
    std::string printed;
    char buffer[256];
    while (std::fgets(buffer, sizeof buffer, out) != nullptr)
        printed += buffer;
    if (::pclose(out) != 0)
        throw std::runtime_error{"failed: " + command};
    return printed;
}

figures measure(const work& one, const sizes& size) {
    std::string arguments = "-work=" + one.name;
    for (const auto& [name, member] : size_names())
        arguments += std::string{" -"} + name + '=' + std::to_string(size.*member);
    std::istringstream printed{go(arguments, one.threads)};
    figures measured;
    for (double each = 0; printed >> each;)
        measured.push_back(each);
    return measured;
}

} // namespace

measurements measurements_of_go() {
    measurements all;
    for (const work& each : catalogue())
        all.emplace(each.name, [&each](const sizes& size) { return measure(each, size); });
    return all;
}

std::string version_of_go() {
    return ", " + go("-work=version", 1);
}

#else

std::string version_of_go() {
    return "";
}

#endif

} // namespace bench
