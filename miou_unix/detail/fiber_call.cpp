#include "miou_unix/detail/fiber_call.hpp"

#include "miou/logs.hpp"
#include "miou/promise.hpp"
#include "miou_unix/detail/reactor.hpp"
#include "miou_unix/use_fiber.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/post.hpp>

#include <cxxabi.h>

#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

namespace miou_unix::detail {

void call_use::give_handler_back() noexcept {
    give_back(handler);
}

void call_use::signal_end() noexcept {
    end_.signal();
}

namespace {

/// Runs `fn` in a handler, after all that are queued, and waits for it. Cannot fail.
template <class F>
void run_in_handler(const fiber_call::executor_type& executor, F fn) {
    handler_memory<128> memory;
    miou::trigger has_run;
    asio::post(executor, asio::bind_allocator(memory.get(), [&] {
                   fn();
                   has_run.signal();
               }));
    has_run.await();
}

} // namespace

class fiber_call::emitter final : public cancelled_call {
public:
    explicit emitter(fiber_call& call) noexcept
        : call_{call} {}

    void emit() noexcept override {
        if (call_.memory_.use().awaits_handler()) // else what the slot refers to may be gone
            try {
                call_.signal_.emit(asio::cancellation_type::all);
            } catch (...) { // it is emitted again
                if (!std::exchange(has_failed_, true))
                    miou::logs::write(miou::logs::level::warning,
                                      "use_fiber: cancelling an operation threw; it is tried again "
                                      "each millisecond");
            }
    }

private:
    fiber_call& call_;
    bool has_failed_ = false;
};

fiber_call::fiber_call()
    : executor_{reactor::current("miou_unix::use_fiber").io().get_executor()} {
    miou::consume_budget(); // may throw, so before the call: its result must be returned
}

void fiber_call::finish() noexcept {
    if (reactor* const here = reactor::current_or_null())
        here->count_wakeup();
    memory_.use().give_handler_back();
}

std::exception_ptr fiber_call::wait() {
    std::exception_ptr cancellation = ended_.await();
    if (cancellation)
        abandon();
    return cancellation;
}

/// The first emission is queued behind the first step of the operation, because a coroutine that is
/// cancelled before it has begun throws out of its handler. The emission is repeated, because a
/// step that has ended, but whose handler has not run yet, does not pass it on to the next step.
void fiber_call::abandon() noexcept {
    miou::uncancellable([this] {
        if (memory_.use().awaits_handler()) {
            emitter library{*this};
            reactor& here = reactor::current("miou_unix::use_fiber");
            run_in_handler(executor_, [&] {
                library.emit();
                here.emit_again(library);
            });
            ended_.await();
            library.unlink();
            // Handlers that the emissions have queued, in a busy strand for example, refer to the
            // slot. Waits for them.
            run_in_handler(executor_, [] {});
        }
        ended_.await();
    });
}

void throw_without_location(const boost::system::error_code& error) {
    throw boost::system::system_error{without_location(error)};
}

void rethrow_without_location(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const boost::system::system_error& error) {
        // The type as the runtime knows it, since `typeid` is not there with -fno-rtti.
        const std::string_view type = abi::__cxa_current_exception_type()->name();
        if (!error.code().has_location() || type != "N5boost6system12system_errorE")
            throw;
        // The text that it was made with, if any, comes before that of the error.
        const std::string text = error.what(), of_error = ": " + error.code().what();
        const boost::system::error_code code = without_location(error.code());
        if (text.ends_with(of_error))
            throw boost::system::system_error{code, text.substr(0, text.size() - of_error.size())};
        throw boost::system::system_error{code};
    }
}

} // namespace miou_unix::detail
