#include "support/http_program.hpp"

#include "support/domains.hpp"
#include "support/io.hpp"

#include <csignal>
#include <cstdlib>
#include <regex>
#include <stdexcept>

namespace test {
namespace {

using strings = std::vector<std::string>;

strings command_of_server(const std::string& name, const strings& options) {
    strings made{"/usr/bin/env", "MIOU_DOMAINS=" + std::to_string(domains()), program_of_docs(name),
                 "0"};
    made.insert(made.end(), options.begin(), options.end());
    return made;
}

} // namespace

std::string program_of_docs(const std::string& name) {
    const char* const folder = std::getenv("PROGRAMS");
    if (folder == nullptr)
        throw std::runtime_error{"PROGRAMS does not say where they are: start this by Meson"};
    return std::string{folder} + '/' + name;
}

std::string output_of(const strings& command) {
    strings found{"/usr/bin/env"};
    found.insert(found.end(), command.begin(), command.end());
    child_program program{found};
    EXPECT_EQ(program.wait(), 0) << program.printed();
    return program.printed();
}

http_program::http_program(const std::string& name, const strings& options,
                           const std::string& scheme)
    : scheme_{scheme}
    , program_{command_of_server(name, options)} {
    std::smatch found;
    const bool speaks = program_.prints("\n"); // "listening on ..."
    const std::string text = program_.printed();
    if (!speaks || !std::regex_search(text, found, std::regex{"127\\.0\\.0\\.1:([0-9]+)"}))
        throw std::runtime_error{name + " does not listen: " + text};
    port_ = static_cast<std::uint16_t>(std::stoi(found[1]));
}

std::string http_program::url(const std::string& path) const {
    return scheme_ + "://127.0.0.1:" + std::to_string(port_) + path;
}

miou_unix::file_descr http_program::connect() const {
    auto made = miou_unix::tcpv4();
    miou_unix::connect(made, loopback(port_));
    return made;
}

testing::AssertionResult http_program::complained_of_nothing() const {
    const std::string printed = program_.printed();
    return printed.find("failed") == printed.npos ? testing::AssertionSuccess()
                                                  : testing::AssertionFailure() << printed;
}

void http_program::stop() {
    program_.send(SIGTERM);
    EXPECT_EQ(program_.wait(), 0) << program_.printed();
    EXPECT_TRUE(program_.prints("every connection is closed"));
}

} // namespace test
