#include "miou/detail/wait_list.hpp"

#include "miou/promise.hpp"

namespace miou::detail {

void wait_list::await_signal_on_its_way(trigger& woken) {
    uncancellable([&] { woken.await(); });
}

} // namespace miou::detail
