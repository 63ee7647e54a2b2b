#include "client_process.hpp"

#include "checked.hpp"
#include "load.hpp"
#include "placement.hpp"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>

namespace bench::echo {
namespace {

void tell(int channel, std::size_t number) {
    if (::send(channel, &number, sizeof number, MSG_NOSIGNAL) != sizeof number)
        throw std::runtime_error{"the clients' process is gone"};
}

bool hear(int channel, std::size_t& number) {
    return ::recv(channel, &number, sizeof number, 0) == sizeof number;
}

[[noreturn]] void be_clients(int channel, std::uint16_t port, std::size_t count, std::size_t size) {
    try {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_on_processor(last_processor());
        clients with{port, count, size};
        tell(channel, count); // they are connected
        for (std::size_t messages = 0; hear(channel, messages);)
            tell(channel, with.exchange(messages));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench: the clients failed: %s\n", error.what());
    }
    ::_exit(EXIT_FAILURE);
}

} // namespace

client_process::client_process(std::uint16_t port, std::size_t count, std::size_t size) {
    int ends[2];
    checked(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), "socketpair");
    pid_ = checked(::fork(), "fork");
    if (pid_ == 0) {
        ::close(ends[0]);
        be_clients(ends[1], port, count, size);
    }
    ::close(ends[1]);
    channel_ = ends[0];
    answer();
}

client_process::~client_process() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(channel_);
}

std::size_t client_process::exchange(std::size_t messages) {
    tell(channel_, messages);
    return answer();
}

std::size_t client_process::answer() {
    std::size_t number = 0;
    if (!hear(channel_, number))
        throw std::runtime_error{"the clients' process has ended"};
    return number;
}

} // namespace bench::echo
