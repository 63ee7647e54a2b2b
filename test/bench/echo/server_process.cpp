#include "server_process.hpp"

#include "checked.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
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

} // namespace

server_process::shared_counters::shared_counters() {
    void* const shared = ::mmap(nullptr, sizeof(counters), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        throw std::system_error{errno, std::generic_category(), "mmap"};
    here = new (shared) counters;
}

server_process::shared_counters::~shared_counters() {
    ::munmap(here, sizeof *here);
}

server_process::server_process(server* what, std::size_t buffer)
    : server_process{what, buffer, listen_on_loopback()} {}

server_process::server_process(server* what, std::size_t buffer, int listening)
    : port_{port_of(listening)}
    , process_{0, "the server", [&] {
                   counted = counted_.here;
                   what(listening, buffer);
               }} {
    ::close(listening);
    run_on_processor(last_processor());
}

double server_process::processor_ns() const {
    ::clockid_t clock{};
    ::clock_getcpuclockid(process_.id(), &clock);
    ::timespec used{};
    ::clock_gettime(clock, &used);
    return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

double server_process::resident_bytes() const {
    double pages = 0;
    std::ifstream{"/proc/" + std::to_string(process_.id()) + "/statm"} >> pages >> pages;
    return pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

} // namespace bench::echo
