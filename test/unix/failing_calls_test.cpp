// Errors of the network that a test cannot cause. System calls of this program fail on demand.

#include "support/errors.hpp"
#include "support/io.hpp"
#include "support/reactor.hpp"
#include "support/tasks.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace {

/// The errors with which the next calls fail. Any thread may use it.
class failures {
public:
    void add(int error) {
        const std::scoped_lock lock{guard_};
        errors_.push_back(error);
    }
    bool none_is_left() {
        const std::scoped_lock lock{guard_};
        return errors_.empty();
    }
    /// Whether this call is to fail. If so, `errno` is set.
    bool happen() {
        const std::scoped_lock lock{guard_};
        if (errors_.empty())
            return false;
        errno = errors_.front();
        errors_.pop_front();
        return true;
    }

private:
    std::mutex guard_;
    std::deque<int> errors_;
};

failures of_accept;
failures of_receive;

} // namespace

// These replace glibc's.
extern "C" int accept4(int fd, struct ::sockaddr* peer, ::socklen_t* size, int flags) {
    if (of_accept.happen())
        return -1;
    return static_cast<int>(::syscall(SYS_accept4, fd, peer, size, flags));
}
extern "C" ::ssize_t recv(int fd, void* into, std::size_t size, int flags) {
    if (of_receive.happen())
        return -1;
    return ::syscall(SYS_recvfrom, fd, into, size, flags, nullptr, nullptr);
}

namespace {

using test::error_of;
using test::on_reactor;
namespace errc = boost::system::errc;

TEST(accept, passes_over_a_connection_that_the_peer_has_aborted) {
    on_reactor([] {
        of_accept.add(ECONNABORTED);
        of_accept.add(ECONNABORTED);
        test::write_and_read(test::tcp_pair());
        EXPECT_TRUE(of_accept.none_is_left());
    });
}

TEST(read, from_an_aborted_connection_is_an_error) {
    on_reactor([] {
        const auto [from, to] = test::tcp_pair();
        miou_unix::write(to, "xy");
        char byte[1];
        static_cast<void>(miou_unix::read(
            from, byte)); // fills its buffer, so the next read makes its system call at once
        of_receive.add(ECONNABORTED);
        EXPECT_EQ(error_of([&, f = from] { static_cast<void>(miou_unix::read(f, byte)); }),
                  errc::connection_aborted);
        EXPECT_EQ(miou_unix::read(from, byte), 1u);
    });
}

/// Runs a server while `during` runs, then expects that it still serves a client.
template <class F>
void serve_during(F&& during) {
    const auto listening = test::listen_on_loopback();
    const miou_unix::stop_request stop;
    const auto server = test::anywhere([&] {
        [[maybe_unused]] const auto cut_off =
            miou_unix::serve(listening, stop, [](miou_unix::file_descr f, miou_unix::sockaddr) {
                miou_unix::write(f, "welcome");
            });
    });
    during();
    const auto client = miou_unix::tcpv4();
    miou_unix::connect(client, miou_unix::getsockname(listening));
    EXPECT_EQ(test::read_to_end(client), "welcome");
    stop.make();
    miou::await_exn(server);
}

TEST(serve, goes_on_after_errors_of_single_connections) {
    on_reactor([] {
        for (const int error :
             {ECONNABORTED, ECONNREFUSED, ECONNRESET, EHOSTDOWN, EHOSTUNREACH, ENETDOWN,
              ENETUNREACH, ENONET, ENOPROTOOPT, EOPNOTSUPP, EPERM, EPROTO, ETIMEDOUT})
            of_accept.add(error);
        serve_during([] {});
        EXPECT_TRUE(of_accept.none_is_left());
    });
}

TEST(serve, goes_on_when_descriptors_or_memory_come_back) {
    miou::logs::set_sink([](miou::logs::level, std::string_view) {});
    on_reactor([] {
        for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM})
            of_accept.add(error);
        serve_during([] {});
        EXPECT_TRUE(of_accept.none_is_left());
    });
    miou::logs::set_sink({});
}

TEST(serve, ends_with_an_error_that_is_permanent) {
    on_reactor([] {
        const auto listening = test::listen_on_loopback();
        of_accept.add(EINVAL);
        EXPECT_EQ(error_of([&] {
                      [[maybe_unused]] const auto cut_off = miou_unix::serve(
                          listening, {}, [](miou_unix::file_descr, miou_unix::sockaddr) {});
                  }),
                  errc::invalid_argument);
    });
}

} // namespace
