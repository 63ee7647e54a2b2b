#!/usr/bin/env python3
"""Checks that every public header, where the language is too old, says so and nothing else. The same of miou.hpp
where the compiler or Boost is. Arguments: the compiler's command."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
OLD_COMPILER = ["-U__GNUC__", "-D__GNUC__=11", "-U__clang_major__", "-D__clang_major__=15"]


def complaint(compiler, flags, words, header):
    made = subprocess.run(
        [*compiler, *flags, "-fsyntax-only", "-w", f"-I{ROOT}", "-x", "c++", "-"],
        input=f'#include "{header}"\n', capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"},
    )
    errors = [line for line in made.stderr.splitlines() if "error:" in line]
    if len(errors) == 2 and words in errors[0] and "see_the_error_above" in errors[1]:
        return ""
    return f"{header} with {' '.join(flags)} does not say {words!r} alone:\n{made.stderr[:1000]}"


if __name__ == "__main__":
    headers = [str(p.relative_to(ROOT)) for top in ("miou", "miou_unix") for p in sorted((ROOT / top).glob("*.hpp"))]
    with tempfile.TemporaryDirectory() as old_boost, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        version = pathlib.Path(old_boost) / "boost" / "version.hpp"
        version.parent.mkdir()
        version.write_text("#define BOOST_VERSION 108000\n")
        checks = [(["-std=c++17"], "miou needs C++20: compile with -std=c++20", header) for header in headers]
        checks += [
            (["-std=c++20", *OLD_COMPILER], "miou needs a newer compiler", "miou/miou.hpp"),
            (["-std=c++20", f"-I{old_boost}"], "miou needs a newer Boost", "miou/miou.hpp"),
        ]
        found = [c for c in pool.map(lambda check: complaint(sys.argv[1:], *check), checks) if c]
    print("\n".join(found) or f"each of {len(headers)} headers says what is too old")
    sys.exit(bool(found))
