// A server in a few lines. It sends back what it receives, until Ctrl-C.
#include "miou_unix/miou_unix.hpp"

#include <csignal>
#include <iostream>

int main() {
    miou_unix::run([] {
        const auto listening = miou_unix::tcpv4();
        miou_unix::bind_and_listen(listening, miou_unix::sockaddr{"127.0.0.1", 3000});
        const auto stop = miou_unix::stop_request::on({SIGINT, SIGTERM});
        const auto echo = [](miou_unix::file_descr client, miou_unix::sockaddr) {
            char buffer[4096];
            while (const std::size_t got = miou_unix::read(client, buffer))
                miou_unix::write(client, std::span{buffer, got});
        };
        for (const auto& late : miou_unix::serve(listening, stop, echo))
            std::cerr << late << " was cut off\n";
    });
}
