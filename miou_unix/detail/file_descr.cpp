#include "miou_unix/file_descr.hpp"

#include "miou_unix/detail/descriptor_state.hpp"
#include "miou_unix/detail/errors.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>
#include <string>

namespace miou_unix {

using namespace detail;

void file_descr::refuse_moved_from(const char* caller) {
    throw std::invalid_argument{std::string{caller} + ": this descriptor was moved from"};
}

int file_descr::release() {
    return state("miou_unix::file_descr::release").release();
}

file_descr of_file_descr(int fd) {
    return of_file_descr({}, fd);
}

file_descr of_file_descr(of_file_descr_options options, int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0)
        throw_errno(errno, "miou_unix::of_file_descr");
    int type = 0;
    ::socklen_t size = sizeof type;
    const bool is_socket = ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
    const bool is_non_blocking = (flags & O_NONBLOCK) != 0;
    auto made =
        std::make_shared<descriptor_state>(is_socket ? kind_of(type) : descriptor_kind::other,
                                           options.non_blocking || is_non_blocking);
    if (options.non_blocking && !is_non_blocking && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        throw_errno(errno, "miou_unix::of_file_descr");
    made->adopt(fd);
    return file_descr{std::move(made)};
}

int to_file_descr(const file_descr& f) {
    constexpr const char* caller = "miou_unix::to_file_descr";
    return f.state(caller).open(caller)->number();
}

void close(const file_descr& f) {
    f.state("miou_unix::close").close();
}

} // namespace miou_unix
