// A server with callbacks of Asio, as in Asio's tutorial.
#include "servers.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <memory>
#include <vector>

namespace bench::echo {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using context_executor = asio::io_context::executor_type;
using socket_type = asio::basic_stream_socket<tcp, context_executor>;
using acceptor_type = asio::basic_socket_acceptor<tcp, context_executor>;

class session : public std::enable_shared_from_this<session> {
public:
    session(socket_type socket, std::size_t buffer)
        : socket_{std::move(socket)}
        , buffer_(buffer) {}

    void read() {
        socket_.async_read_some(asio::buffer(buffer_),
                                [self = shared_from_this()](auto error, std::size_t size) {
                                    if (!error)
                                        self->write(size);
                                });
    }

private:
    void write(std::size_t size) {
        asio::async_write(socket_, asio::buffer(buffer_, size),
                          [self = shared_from_this()](auto error, std::size_t) {
                              if (!error)
                                  self->read();
                          });
    }

    socket_type socket_;
    std::vector<char> buffer_;
};

void accept(acceptor_type& listening, std::size_t buffer) {
    listening.async_accept([&listening, buffer](auto error, socket_type accepted) {
        if (!error)
            std::make_shared<session>(std::move(accepted), buffer)->read();
        accept(listening, buffer);
    });
}

} // namespace

void serve_asio_callbacks(int listening, std::size_t buffer) {
    asio::io_context io{1};
    acceptor_type acceptor{io, tcp::v4(), listening};
    accept(acceptor, buffer);
    io.run();
}

} // namespace bench::echo
