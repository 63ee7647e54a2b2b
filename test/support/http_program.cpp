#include "support/http_program.hpp"

#include "support/domains.hpp"
#include "support/io.hpp"

#include <csignal>
#include <regex>
#include <stdexcept>
#include <utility>

namespace test {
namespace {

std::vector<std::string> command_of_server(const std::string& name,
                                           std::vector<std::string> options) {
    options.insert(options.begin(), "0"); // the port
    return command_of_program(name, options, domains());
}

} // namespace

http_program::http_program(const std::string& name, std::vector<std::string> options,
                           const std::string& scheme)
    : scheme_{scheme}
    , program_{command_of_server(name, std::move(options))} {
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

std::string http_program::answer_to(const std::string& text) const {
    const auto f = connect();
    miou_unix::write(f, text);
    const std::string answer = read_to_end(f);
    miou_unix::close(f);
    return answer;
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
