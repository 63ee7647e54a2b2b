// The program `redis_client` of docs/examples, and what its tests share.
#pragma once

#include "support/child_program.hpp"
#include "support/io.hpp"
#include "support/temporary_folder.hpp"

#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace test {

using strings = std::vector<std::string>;

inline strings operator+(const strings& left, const strings& right) {
    return joined(left, right);
}

/// A port on which nobody listens.
inline std::uint16_t free_port() {
    const auto f = listen_on_loopback();
    const std::uint16_t port = miou_unix::getsockname(f).port();
    miou_unix::close(f);
    return port;
}

inline std::string port_option(std::uint16_t port) {
    return "--port=" + std::to_string(port);
}

/// The command that starts `redis_client` with these arguments.
inline strings redis_client(const strings& arguments) {
    return command_of_program("redis_client", arguments);
}

/// A test of the client, with a folder for the files that hold its commands.
class redis_client_alone : public ::testing::Test {
protected:
    /// The command that starts a client that reads `commands` from standard input.
    strings reading(const std::string& commands, const strings& options) {
        const std::filesystem::path file = folder / ("commands_" + std::to_string(files_++));
        std::ofstream{file, std::ios::binary} << commands;
        return strings{"/bin/sh", "-c", "exec \"$@\" < \"$0\"", file} + redis_client(options);
    }

    const temporary_folder folder;

private:
    int files_ = 0;
};

} // namespace test
