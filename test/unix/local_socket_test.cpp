// AF_UNIX sockets: their names, and where they differ from TCP.

#include "support/domains.hpp"
#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/process.hpp"
#include "support/tasks.hpp"
#include "support/temporary_folder.hpp"

#include "miou/promise.hpp"
#include "miou_unix/miou_unix.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using test::domains;
using test::error_in;
using test::error_of;
using test::failed_with;
using test::numbered_bytes;
using endpoint = boost::asio::local::stream_protocol::endpoint;
namespace errc = boost::system::errc;

/// A path in `folder` that has `length` characters.
std::string path_of_length(const test::temporary_folder& folder, std::size_t length) {
    return folder / std::string(length - (folder / "").string().size(), 'x');
}

/// An abstract name, which is in no folder: it begins with a NUL.
miou_unix::sockaddr abstract(const std::string& name) {
    return endpoint{std::string(1, '\0') + name};
}

/// Listens at a name that the system chooses.
miou_unix::file_descr listen_somewhere(int backlog = 128) {
    struct ::sockaddr any {};
    any.sa_family = AF_UNIX;
    auto listening = miou_unix::unix_socket();
    miou_unix::bind_and_listen({.backlog = backlog}, listening,
                               miou_unix::sockaddr{&any, sizeof any.sa_family});
    return listening;
}

miou_unix::file_descr connect_to(const miou_unix::sockaddr& address) {
    auto f = miou_unix::unix_socket();
    miou_unix::connect(f, address);
    return f;
}

/// Sends data in both directions, between domains if there are several.
void exchange(const miou_unix::file_descr& listening, const miou_unix::sockaddr& address) {
    const auto server = test::anywhere([&] {
        const auto [client, peer] = miou_unix::accept(listening);
        EXPECT_EQ(peer.to_string(), "unix:") << "a client has no name";
        test::send_numbered(client, numbered_bytes{1}, 5000);
        EXPECT_EQ(test::receive_numbered(client, numbered_bytes{2}), 300'000);
    });
    const auto client = connect_to(address);
    test::send_numbered(client, numbered_bytes{2}, 300'000);
    EXPECT_EQ(test::receive_numbered(client, numbered_bytes{1}), 5000);
    miou::await_exn(server);
}

TEST(local_socket, at_a_path_works_like_tcp) {
    const test::temporary_folder folder;
    miou_unix::run({.domains = domains()}, [&] {
        const endpoint address{(folder / "socket").string()};
        const auto listening = miou_unix::unix_socket();
        miou_unix::bind_and_listen(listening, address);
        exchange(listening, address);
    });
}

TEST(local_socket, with_an_abstract_name_works_like_tcp) {
    miou_unix::run({.domains = domains()}, [] {
        const auto address = abstract("miou test " + std::to_string(::getpid()));
        const auto listening = miou_unix::unix_socket();
        miou_unix::bind_and_listen(listening, address);
        exchange(listening, address);
    });
}

TEST(local_socket, with_a_name_that_the_system_chose_works_like_tcp) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = listen_somewhere();
        exchange(listening, miou_unix::getsockname(listening));
    });
}

TEST(local_socket, a_path_that_exists_is_in_use_until_it_is_unlinked) {
    const test::temporary_folder folder;
    const endpoint address{(folder / "socket").string()};
    {
        const auto first = miou_unix::unix_socket();
        miou_unix::bind_and_listen(first, address);
    }
    const auto second = miou_unix::unix_socket();
    EXPECT_EQ(error_of([&] { miou_unix::bind_and_listen(second, address); }), errc::address_in_use);
    std::filesystem::remove(address.path());
    miou_unix::bind_and_listen(second, address);
}

TEST(local_socket, where_nobody_listens_a_connection_is_an_error) {
    const test::temporary_folder folder;
    miou_unix::run({.domains = domains()}, [&] {
        EXPECT_EQ(error_of([&] { connect_to(endpoint{(folder / "nothing").string()}); }),
                  errc::no_such_file_or_directory);
        EXPECT_EQ(error_of([] { connect_to(abstract("miou: nobody is here")); }),
                  errc::connection_refused);
        const endpoint left{(folder / "left").string()};
        {
            const auto gone = miou_unix::unix_socket();
            miou_unix::bind_and_listen(gone, left);
        }
        EXPECT_EQ(error_of([&] { connect_to(left); }), errc::connection_refused);
    });
}

TEST(local_socket, a_client_that_finds_the_queue_full_waits) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = listen_somewhere(0);
        const auto address = miou_unix::getsockname(listening);
        std::vector<miou::promise<void>> clients;
        for (int i = 0; i < 10; ++i)
            clients.push_back(test::anywhere(
                [&] { EXPECT_EQ(test::read_to_end(connect_to(address)), "welcome"); }));
        miou_unix::sleep(0.005);
        for (int i = 0; i < 10; ++i)
            miou_unix::write(miou_unix::accept(listening).first, "welcome");
        for (const auto& each : miou::await_all(clients))
            each.value();
    });
}

TEST(local_socket, a_client_that_waits_for_the_queue_is_woken_by_cancellation_and_by_close) {
    miou_unix::run({.domains = domains()}, [] {
        const auto listening = listen_somewhere(0);
        const auto address = miou_unix::getsockname(listening);
        const auto first = connect_to(address); // takes the only place in the queue
        const auto second = test::anywhere([&] { connect_to(address); });
        const auto socket = miou_unix::unix_socket();
        const auto third = test::anywhere([&] { miou_unix::connect(socket, address); });
        miou_unix::sleep(0.003);
        miou::cancel(second);
        EXPECT_TRUE(failed_with<miou::cancelled>(miou::await(second)));
        miou_unix::close(socket);
        EXPECT_EQ(error_in(miou::await(third)), errc::bad_file_descriptor);
    });
}

TEST(local_socket, a_bad_address_is_an_error) {
    const test::temporary_folder folder;
    miou_unix::run({.domains = domains()}, [&] {
        const auto f = miou_unix::unix_socket();
        EXPECT_NE(error_of([&] { miou_unix::bind_and_listen(f, test::loopback()); }),
                  errc::success);
        EXPECT_NE(error_of([&] { miou_unix::connect(f, test::loopback(9)); }), errc::success);
        const auto tcp = miou_unix::tcpv4();
        const endpoint path{path_of_length(folder, 50)};
        EXPECT_EQ(error_of([&] { miou_unix::bind_and_listen(tcp, path); }),
                  errc::address_family_not_supported);
        EXPECT_EQ(error_of([&] { miou_unix::connect(tcp, path); }),
                  errc::address_family_not_supported);
    });
}

TEST(local_socket, a_path_that_is_too_long_is_refused) {
    const test::temporary_folder folder;
    constexpr std::size_t most = sizeof(::sockaddr_un::sun_path);
    EXPECT_EQ(error_of([&] { endpoint{path_of_length(folder, most)}; }), errc::filename_too_long);
    // The system call accepts a path without a terminator, but none that is longer.
    struct {
        sa_family_t family = AF_UNIX;
        char path[200] = {};
    } raw;
    std::strcpy(raw.path, path_of_length(folder, most + 10).c_str());
    const auto* const address = reinterpret_cast<const struct ::sockaddr*>(&raw);
    const auto f = miou_unix::unix_socket();
    const auto bind = [&](std::size_t length) {
        miou_unix::bind_and_listen(
            f, miou_unix::sockaddr{address, offsetof(::sockaddr_un, sun_path) + length});
    };
    EXPECT_EQ(error_of([&] { bind(most + 1); }), errc::invalid_argument);
    EXPECT_THROW(bind(sizeof raw.path), std::invalid_argument);
    bind(most);
    EXPECT_EQ(miou_unix::getsockname(f).to_string(), "unix:" + path_of_length(folder, most));
    EXPECT_THROW(static_cast<void>(endpoint{miou_unix::getsockname(f)}), std::invalid_argument);
}

TEST(local_address, prints_paths_and_names) {
    const auto text = [](const miou_unix::sockaddr& address) { return address.to_string(); };
    EXPECT_EQ(text(endpoint{"/run/socket"}), "unix:/run/socket");
    EXPECT_EQ(text(abstract("name")), "unix:@name");
    EXPECT_EQ(text(abstract(std::string("a\0b", 3))), "unix:@a@b");
    EXPECT_EQ(text(endpoint{""}), "unix:");
    EXPECT_EQ(text({}), "unspecified");
    const test::temporary_folder folder;
    const auto f = miou_unix::unix_socket();
    EXPECT_EQ(text(miou_unix::getsockname(f)), "unix:");
    miou_unix::bind_and_listen(f, endpoint{(folder / "socket").string()});
    EXPECT_EQ(text(miou_unix::getsockname(f)), "unix:" + (folder / "socket").string());
    EXPECT_EQ(text(miou_unix::getsockname(listen_somewhere())).substr(0, 6), "unix:@");
}

TEST(local_address, converts_to_an_endpoint_and_back) {
    const test::temporary_folder folder;
    for (const std::string& path :
         {std::string{"/run/socket"}, std::string{"x"}, std::string{}, std::string("\0name", 5),
          path_of_length(folder, sizeof(::sockaddr_un::sun_path) - 1)})
        EXPECT_EQ(endpoint{miou_unix::sockaddr{endpoint{path}}}.path(), path);
    const auto f = miou_unix::unix_socket();
    miou_unix::bind_and_listen(f, endpoint{(folder / "socket").string()});
    EXPECT_EQ(endpoint{miou_unix::getsockname(f)}.path(), (folder / "socket").string());
    EXPECT_THROW(static_cast<void>(endpoint{test::loopback()}), std::invalid_argument);
}

} // namespace
