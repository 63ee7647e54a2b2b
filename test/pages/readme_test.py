#!/usr/bin/env python3
"""Checks that each piece of C++ in the README is, word for word, part of a file that is compiled."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def complaints():
    compiled = [p.read_text() for folder in ("docs", "test") for p in sorted((ROOT / folder).rglob("*.cpp"))]
    for snippet in re.findall(r"^```cpp\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL):
        if not any(snippet in text for text in compiled):
            yield f"README.md: no file that is compiled has this:\n{snippet}"


if __name__ == "__main__":
    found = list(complaints())
    print("\n".join(found) or "every piece of C++ in the README is compiled")
    sys.exit(bool(found))
