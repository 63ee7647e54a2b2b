#include "miou_unix/ownership.hpp"

namespace miou_unix::ownership {

file_descr::file_descr(miou_unix::file_descr f)
    : f_{std::move(f)}
    , resource_{f_, [](const miou_unix::file_descr& left) { miou_unix::close(left); }} {
    resource_.own();
}

file_descr of_file_descr(int fd) {
    return of_file_descr({}, fd);
}
file_descr of_file_descr(of_file_descr_options options, int fd) {
    return file_descr{miou_unix::of_file_descr(options, fd)};
}
int to_file_descr(const file_descr& f) {
    return miou_unix::to_file_descr(f.unchecked());
}
const miou::ownership& resource(const file_descr& f) {
    return f.resource();
}
file_descr tcpv4() {
    return file_descr{miou_unix::tcpv4()};
}
file_descr tcpv6() {
    return file_descr{miou_unix::tcpv6()};
}
file_descr udpv4() {
    return file_descr{miou_unix::udpv4()};
}
file_descr udpv6() {
    return file_descr{miou_unix::udpv6()};
}

void bind_and_listen(const file_descr& f, const sockaddr& address) {
    miou_unix::bind_and_listen(f.checked(), address);
}
void bind_and_listen(bind_and_listen_options options, const file_descr& f,
                     const sockaddr& address) {
    miou_unix::bind_and_listen(options, f.checked(), address);
}
std::pair<file_descr, sockaddr> accept(const file_descr& f) {
    return accept({}, f);
}
std::pair<file_descr, sockaddr> accept(accept_options options, const file_descr& f) {
    auto [accepted, peer] = miou_unix::accept(options, f.checked());
    return {file_descr{std::move(accepted)}, peer};
}
void connect(const file_descr& f, const sockaddr& address) {
    miou_unix::connect(f.checked(), address);
}
std::size_t read(const file_descr& f, mutable_view buffer, slice part) {
    return miou_unix::read(f.checked(), buffer, part);
}
void really_read(const file_descr& f, mutable_view buffer, slice part) {
    miou_unix::really_read(f.checked(), buffer, part);
}
void write(const file_descr& f, const_view buffer, slice part) {
    miou_unix::write(f.checked(), buffer, part);
}
std::pair<std::size_t, sockaddr> recvfrom(const file_descr& f, mutable_view buffer, slice part,
                                          int flags) {
    return miou_unix::recvfrom(f.checked(), buffer, part, flags);
}
std::size_t sendto(const file_descr& f, const_view buffer, const sockaddr& address, slice part,
                   int flags) {
    return miou_unix::sendto(f.checked(), buffer, address, part, flags);
}
void close(const file_descr& f) {
    f.resource().check();
    f.resource().disown();
    miou_unix::close(f.unchecked());
}

} // namespace miou_unix::ownership
