// A shared object that uses tasks of the program that it is a part of.
#include <miou/miou.hpp>

/// Called by a task, with a child of that. Throws `miou::empty`.
extern "C" [[gnu::visibility("default")]] void use_tasks(const miou::promise<int>& child) {
    miou::yield();
    const auto own = miou::async([] { return 1; });
    if (miou::await_exn(own) + miou::await_exn(child) == 3)
        miou::await_exn(miou::async([] { throw miou::empty{}; }));
}
