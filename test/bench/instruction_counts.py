#!/usr/bin/env python3
"""Counts the instructions of each hot path with valgrind, and compares them with instruction_counts.txt. Arguments: the
program `paths`, and --renew to write that file. Fails if a path takes more than 5 % more than the file says."""

import os
import pathlib
import re
import subprocess
import sys

FILE = pathlib.Path(__file__).with_name("instruction_counts.txt")
ALLOWED = 1.05
FEW, MANY = 500, 2500  # times; what the rest of the program takes cancels out
SKIPPED = 77
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C", "MIOU_DOMAINS": "0"}


def output_of(*command):
    return subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=True).stdout


def instructions(program, path, times):
    printed = output_of("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program,
                        path, str(times))
    return int(re.search(r"I\s+refs:\s+([\d,]+)", printed)[1].replace(",", ""))


def per_operation(program, path):
    return round((instructions(program, path, MANY) - instructions(program, path, FEW)) / (MANY - FEW))


def read():
    """The compiler, and the instructions of each path."""
    lines = FILE.read_text().splitlines() if FILE.exists() else []
    entries = [line.split() for line in lines if not line.startswith("#")]
    compiler = next((line.removeprefix("# compiler: ") for line in lines if line.startswith("# compiler: ")), None)
    return compiler, {name: int(count) for name, count in entries}


def write(compiler, counts):
    FILE.write_text("# Instructions of each path in paths.cpp. instruction_counts.py --renew writes this file.\n"
                    f"# compiler: {compiler}\n"
                    + "".join(f"{name:26}{count:6}\n" for name, count in counts.items()))


def main(program, renew):
    compiler, *paths = output_of(program).splitlines()
    written_with, limits = read()
    if not renew and compiler != written_with:
        print(f"{FILE.name} is of {written_with}, and this is {compiler}")
        return SKIPPED
    counts = {path: per_operation(program, path) for path in paths}
    for path, count in counts.items():
        before = limits.get(path)
        print(f"{path:26}{count:6}, " + (f"before {before:6}, {100 * (count / before - 1):+.1f} %" if before else "new"))
    if renew:
        write(compiler, counts)
        return 0
    failed = [path for path, count in counts.items() if count > ALLOWED * limits.get(path, 0)]
    if failed or set(limits) != set(counts):
        print(f"More instructions than {FILE.name} allows, or other paths: {' '.join(failed)}\n"
              f"If that is right: {sys.argv[0]} {program} --renew")
        return 1
    return 0


if __name__ == "__main__":
    arguments = [each for each in sys.argv[1:] if each != "--renew"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    sys.exit(main(arguments[0], "--renew" in sys.argv))
