#!/usr/bin/env python3
"""Checks the floors of docs/architecture.md: headers include downwards only, miou knows no Asio and
no system, miou_unix knows no detail of miou, and only fiber.hpp knows Boost.Context."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def includes(path):
    return re.findall(r'^#include [<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def floors():
    """Header -> floor, from the table of the tour."""
    found = {}
    for row in re.findall(r"^\| (\d+) \| (.*) \|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE):
        folder = ""
        for name in re.findall(r"`([^`]+)`", row[1]):
            if name.startswith("detail/"):  # and so are those that follow it in the row
                folder, name = "detail/", name.removeprefix("detail/")
            found["miou/" + folder + name.removesuffix(".hpp") + ".hpp"] = int(row[0])
    return found


def complaints():
    floor = floors()
    headers = {str(p.relative_to(ROOT)) for p in (ROOT / "miou").rglob("*.hpp")}
    for missing in sorted(headers - floor.keys()):
        yield f"{missing}: stands on no floor of docs/architecture.md"
    for gone in sorted(floor.keys() - headers):
        yield f"docs/architecture.md: {gone} does not exist"
    for header in sorted(headers & floor.keys()):
        for name in includes(ROOT / header):
            if name.startswith("miou/") and floor.get(name, 0) > floor[header]:
                yield f"{header} (floor {floor[header]}) includes {name} (floor {floor[name]})"
    for source in sorted((ROOT / "miou").rglob("*.[hc]pp")):
        for name in includes(source):
            if re.match(r"boost/asio|miou_unix|sys/socket|sys/epoll", name):
                yield f"{source.relative_to(ROOT)} includes {name}: the core knows no input and output"
            if name.startswith("boost/context") and source.name != "fiber.hpp":
                yield f"{source.relative_to(ROOT)} includes {name}: only fiber.hpp does"
    for source in sorted((ROOT / "miou_unix").rglob("*.[hc]pp")):
        for name in includes(source):
            if name.startswith("miou/detail/"):
                yield f"{source.relative_to(ROOT)} includes {name}: miou_unix uses only what is public"


if __name__ == "__main__":
    found = list(complaints())
    print("\n".join(found) or "every header stands on its floor")
    sys.exit(bool(found))
