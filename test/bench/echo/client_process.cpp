#include "client_process.hpp"

#include "checked.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace bench::echo {
namespace {

template <class Value>
void tell(int channel, const Value& value) {
    if (::send(channel, &value, sizeof value, MSG_NOSIGNAL) != sizeof value)
        throw std::runtime_error{"the clients' process is gone"};
}

template <class Value>
bool hear(int channel, Value& value) {
    return ::recv(channel, &value, sizeof value, 0) == sizeof value;
}

std::array<int, 2> make_channel() {
    std::array<int, 2> ends;
    checked(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.data()), "socketpair");
    return ends;
}

void serve_parent(int channel, clients& with) {
    tell(channel, exchanged{}); // they are connected
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

exchanged client_process::exchange(std::size_t messages) {
    tell(channel_[0], messages);
    return answer();
}

exchanged client_process::answer() {
    exchanged heard;
    if (!hear(channel_[0], heard))
        throw std::runtime_error{"the clients' process has ended"};
    return heard;
}

} // namespace bench::echo
