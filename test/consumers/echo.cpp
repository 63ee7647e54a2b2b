// A program that uses miou as an installed library or as a part of its own build.
#include <miou/miou.hpp>
#include <miou_unix/miou_unix.hpp>

#include <array>
#include <chrono>
#include <exception>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string_view>

static_assert(MIOU_VERSION >= 200);

namespace {

struct own_error : std::exception {};

void require(bool holds, const char* what) {
    if (!holds)
        throw std::logic_error{what};
}

template <class Exception, class F>
void require_throws(F&& fn, const char* what) {
    try {
        fn();
    } catch (const Exception&) {
        return;
    }
    throw std::logic_error{what};
}

void echo() {
    const auto listening = miou_unix::tcpv4();
    miou_unix::bind_and_listen(listening, miou_unix::sockaddr{"127.0.0.1", 0});
    const auto server = miou::async([&] {
        const auto client = miou_unix::accept(listening).first;
        std::array<char, 64> buffer;
        while (const std::size_t got = miou_unix::read(client, buffer))
            miou_unix::write(client, std::span{buffer}.first(got));
        miou_unix::close(client);
    });
    const auto client = miou_unix::tcpv4();
    miou_unix::connect(client, miou_unix::getsockname(listening));
    miou_unix::write(client, "Hello");
    std::array<char, 5> answer;
    miou_unix::really_read(client, answer);
    miou_unix::close(client);
    miou::await_exn(server);
    require(std::string_view{answer.data(), answer.size()} == "Hello", "the echo is another word");
}

void exceptions() {
    using namespace std::chrono_literals;
    require_throws<miou_unix::timed_out>(
        [] { miou_unix::with_timeout(1ms, [] { miou_unix::sleep(1h); }); },
        "timed_out was not caught by its type");
    require_throws<own_error>([] { miou::await_exn(miou::async([] { throw own_error{}; })); },
                              "an exception of the program was not caught by its type");
    require_throws<miou::empty>(
        [] { miou::await_exn(miou::async([] { throw miou::empty{}; })); },
        "an exception of miou that the program throws was not caught by its type");
    require_throws<miou::cancelled>(
        [] {
            const auto child = miou::async([] { miou_unix::sleep(1h); });
            miou::cancel(child);
            miou::await_exn(child);
        },
        "cancelled was not caught by its type");
}

} // namespace

int main() {
    try {
        require_throws<miou::outside_of_task>([] { miou::yield(); },
                                              "outside_of_task was not caught by its type");
        miou_unix::run({.domains = 1}, [] {
            echo();
            exceptions();
            miou::await_exn(miou::call([] { echo(); }));
        });
        std::cout << "miou " << MIOU_VERSION << " echoes\n";
        return 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
