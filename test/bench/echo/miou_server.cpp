#include "../measure.hpp"
#include "counters.hpp"
#include "servers.hpp"

#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <vector>

namespace bench::echo {
namespace {

void echo(const miou_unix::file_descr& client, std::size_t size) {
    std::vector<char> buffer(size);
    while (const std::size_t got = miou_unix::read(client, buffer))
        miou_unix::write(client, std::span{buffer.data(), got});
}

void serve(int listening, std::size_t buffer) {
    [[maybe_unused]] const auto cut_off =
        miou_unix::serve(miou_unix::of_file_descr(listening), miou_unix::stop_request::on({}),
                         [buffer](const miou_unix::file_descr& client, const miou_unix::sockaddr&) {
                             echo(client, buffer);
                         });
}

[[noreturn]] void compute() {
    for (;;) {
        for (const stopwatch watch; watch.ns() < computing_us * 1000;) {
        }
        count(&counters::yields);
        miou::yield();
    }
}

} // namespace

void serve_miou(int listening, std::size_t buffer) {
    miou_unix::run({.domains = 0}, [&] { serve(listening, buffer); });
}

void serve_miou_while_computing(int listening, std::size_t buffer) {
    miou_unix::run({.domains = 0}, [&] {
        std::vector<miou::promise<void>> computing;
        for (int i = 0; i < computing_tasks; ++i)
            computing.push_back(miou::async(&compute));
        serve(listening, buffer);
    });
}

} // namespace bench::echo
