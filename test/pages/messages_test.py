#!/usr/bin/env python3
"""Checks that the compiler refuses likely mistakes with a message that says what to write instead.
Arguments: the compiler's command."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

MISTAKES = {
    "await_first over a braced list of different types": (
        "miou/promise.hpp",
        "void f(miou::promise<int> p, miou::promise<void> q) { miou::await_first({p, q}); }",
        "write await_first(p, q), not await_first({p, q})",
    ),
    "await of a promise whose value cannot be copied": (
        "miou/promise.hpp",
        "#include <memory>\nvoid f(miou::promise<std::unique_ptr<int>> p) { miou::await(p); }",
        "await(std::move(p))",
    ),
}


def complaints(compiler):
    for name, (header, code, words) in MISTAKES.items():
        source = f'#include "{header}"\n{code}\n'
        made = subprocess.run(
            [*compiler, "-std=c++20", "-fsyntax-only", f"-I{ROOT}", "-x", "c++", "-"],
            input=source, capture_output=True, text=True,
        )
        if made.returncode == 0:
            yield f"{name}: compiles"
        elif words not in made.stderr:
            yield f"{name}: does not say {words!r}:\n{made.stderr}"


if __name__ == "__main__":
    found = list(complaints(sys.argv[1:]))
    print("\n".join(found) or "every mistake is refused with a clear message")
    sys.exit(bool(found))
