// Two tasks that return values, one of them on another domain.
#include "miou/miou.hpp"
#include "miou_unix/miou_unix.hpp"

#include <iostream>

int main() {
    miou_unix::run([] {
        auto slow = miou::async([] {
            miou_unix::sleep(1.0);
            return 1;
        });
        auto other_core = miou::call([] { return 2; });
        std::cout << miou::await_exn(slow) + miou::await_exn(other_core) << '\n'; // 3
    });
}
