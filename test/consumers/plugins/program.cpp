// Loads the shared objects that are its arguments, and has a task call each of them.
#include <miou/miou.hpp>

#include <dlfcn.h>

#include <iostream>

namespace {

using function = void (*)(const miou::promise<int>&);

bool call(const char* path) {
    void* const object = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == nullptr) {
        std::cerr << ::dlerror() << "\n";
        return false;
    }
    const auto use_tasks = reinterpret_cast<function>(::dlsym(object, "use_tasks"));
    return miou::run({.domains = 0}, [&] {
        const auto child = miou::async([] { return 2; });
        try {
            use_tasks(child);
            std::cerr << path << ": nothing was thrown\n";
            return false;
        } catch (const miou::empty&) {
            return true;
        } catch (const miou::outside_of_task& error) {
            std::cerr << error.what() << "\n";
            miou::cancel(child);
            return false;
        }
    });
}

} // namespace

int main(int, char** arguments) {
    for (char** path = arguments + 1; *path != nullptr; ++path)
        if (!call(*path))
            return 1;
    std::cout << "one runtime\n";
    return 0;
}
