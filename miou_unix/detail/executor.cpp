#include "miou_unix/executor.hpp"

#include "miou_unix/detail/reactor.hpp"

namespace miou_unix {

using namespace detail;

boost::asio::io_context::executor_type executor() {
    return reactor::current("miou_unix::executor").io().get_executor();
}

} // namespace miou_unix
