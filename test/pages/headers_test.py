#!/usr/bin/env python3
"""Checks that every public header can be included alone, without a warning. Arguments: the compiler."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{ROOT}", "-x", "c++", "-"]


def complaint(compiler, header):
    source = f'#include "{header.relative_to(ROOT)}"\n'
    done = subprocess.run([*compiler, *FLAGS], input=source, capture_output=True, text=True)
    return done.stderr if done.returncode else ""


if __name__ == "__main__":
    compiler = sys.argv[1:] or ["c++"]
    headers = sorted(ROOT.glob("miou/*.hpp")) + sorted(ROOT.glob("miou_unix/*.hpp"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [c for c in pool.map(lambda header: complaint(compiler, header), headers) if c]
    print("\n".join(found) or f"each of {len(headers)} headers compiles alone")
    sys.exit(bool(found))
