#include "client_process.hpp"

#include "checked.hpp"
#include "load.hpp"

#include <sys/socket.h>
#include <unistd.h>

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

std::array<int, 2> make_channel() {
    std::array<int, 2> ends;
    checked(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.data()), "socketpair");
    return ends;
}

void serve_parent(int channel, clients& with) {
    tell(channel, 0); // they are connected
    for (std::size_t messages = 0; hear(channel, messages);)
        tell(channel, with.exchange(messages));
}

} // namespace

client_process::client_process(std::uint16_t port, std::size_t count, std::size_t size)
    : channel_{make_channel()}
    , process_{last_processor(), "the clients' process", [&] {
                   ::close(channel_[0]);
                   clients with{port, count, size};
                   serve_parent(channel_[1], with);
               }} {
    ::close(channel_[1]);
    answer();
}

client_process::~client_process() {
    ::close(channel_[0]);
}

std::size_t client_process::exchange(std::size_t messages) {
    tell(channel_[0], messages);
    return answer();
}

std::size_t client_process::answer() {
    std::size_t number = 0;
    if (!hear(channel_[0], number))
        throw std::runtime_error{"the clients' process has ended"};
    return number;
}

} // namespace bench::echo
