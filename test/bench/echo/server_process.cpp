#include "server_process.hpp"

#include "checked.hpp"
#include "placement.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <fstream>
#include <new>
#include <system_error>

namespace bench::echo {
namespace {

int listen_on_loopback() {
    const int fd = checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    ::sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(::bind(fd, reinterpret_cast<::sockaddr*>(&address), sizeof address), "bind");
    checked(::listen(fd, 4096), "listen");
    return fd;
}

std::uint16_t port_of(int fd) {
    ::sockaddr_in address{};
    ::socklen_t size = sizeof address;
    checked(::getsockname(fd, reinterpret_cast<::sockaddr*>(&address), &size), "getsockname");
    return ntohs(address.sin_port);
}

[[noreturn]] void be_server(server* what, int listening, std::size_t buffer) {
    try {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_on_processor(0);
        what(listening, buffer);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench: the server failed: %s\n", error.what());
    }
    ::_exit(EXIT_FAILURE);
}

} // namespace

server_process::server_process(server* what, std::size_t buffer) {
    void* const shared = ::mmap(nullptr, sizeof *counted_, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        throw std::system_error{errno, std::generic_category(), "mmap"};
    counted_ = new (shared) counters;
    const int listening = listen_on_loopback();
    port_ = port_of(listening);
    pid_ = checked(::fork(), "fork");
    if (pid_ == 0) {
        counted = counted_;
        be_server(what, listening, buffer);
    }
    ::close(listening);
    run_on_processor(last_processor());
}

server_process::~server_process() {
    ::kill(pid_, SIGTERM); // profilers write what they have
    ::waitpid(pid_, nullptr, 0);
    ::munmap(counted_, sizeof *counted_);
}

double server_process::processor_ns() const {
    ::clockid_t clock{};
    ::clock_getcpuclockid(pid_, &clock);
    ::timespec used{};
    ::clock_gettime(clock, &used);
    return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

double server_process::resident_bytes() const {
    double pages = 0;
    std::ifstream{"/proc/" + std::to_string(pid_) + "/statm"} >> pages >> pages;
    return pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

} // namespace bench::echo
