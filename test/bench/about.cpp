#include "about.hpp"

#include "runtimes.hpp"

#include <boost/version.hpp>

#include <sys/utsname.h>

#include <fstream>
#include <thread>

namespace bench {
namespace {

std::string processor() {
    std::ifstream in{"/proc/cpuinfo"};
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("model name"))
            return line.substr(line.find(':') + 2);
    return "unknown";
}

std::string kernel() {
    utsname names{};
    ::uname(&names);
    return std::string{names.sysname} + ' ' + names.release + ' ' + names.machine;
}

std::string sizes_of(const options& chosen) {
    std::string text = "repetitions " + std::to_string(chosen.repetitions);
    for (const auto& [name, member] : size_names())
        text += std::string{", "} + name + ' ' + std::to_string(chosen.size.*member);
    return text;
}

} // namespace

std::vector<std::pair<std::string, std::string>> about(const options& chosen) {
    const std::string boost = "Boost " + std::to_string(BOOST_VERSION / 100000) + '.' +
                              std::to_string(BOOST_VERSION / 100 % 1000);
    return {
        {"machine",
         std::to_string(std::thread::hardware_concurrency()) + " processors, " + processor()},
        {"kernel", kernel()},
#ifdef __clang__
        {"compiler", __VERSION__},
#else
        {"compiler", "g++ " __VERSION__},
#endif
        {"peers", boost + version_of_go()},
        {"sizes", sizes_of(chosen)},
    };
}

} // namespace bench
