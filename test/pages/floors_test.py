#!/usr/bin/env python3
"""Checks the floors of docs/architecture.md. A file includes only files of its own folder and of lower
floors, and no files include each other in a circle. miou includes neither Asio nor headers for input and
output. miou_unix includes only public headers of miou. Only fiber.hpp includes Boost.Context."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = "docs/architecture.md"


def includes(path):
    return re.findall(r'^#include [<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def floors():
    """Folder -> floor, from the table of the page. The folders in one cell count as one folder."""
    found = {}
    for number, folders in re.findall(r"^\| (\d+) \| ([^|]+) \|", (ROOT / PAGE).read_text(), re.MULTILINE):
        for name in re.findall(r"`([^`]+)/`", folders):
            found[name] = (int(number), folders)
    return found


def circles(graph):
    """Yields each file that includes itself, directly or through others."""
    for start in graph:
        reached, ahead = set(), list(graph[start])
        while ahead:
            each = ahead.pop()
            if each not in reached:
                reached.add(each)
                ahead += graph.get(each, [])
        if start in reached:
            yield start


def complaints():
    floor = floors()
    files = {str(p.relative_to(ROOT)): p for top in ("miou", "miou_unix") for p in (ROOT / top).rglob("*.[hc]pp")}
    folders = {str(pathlib.Path(name).parent) for name in files}
    for missing in sorted(folders - floor.keys()):
        yield f"{missing}/ stands on no floor of {PAGE}"
    for gone in sorted(floor.keys() - folders):
        yield f"{PAGE}: {gone}/ does not exist"
    graph = {name: [i for i in includes(path) if i in files] for name, path in files.items()}
    for name in sorted(graph):
        here = str(pathlib.Path(name).parent)
        for included in graph[name]:
            there = str(pathlib.Path(included).parent)
            if here in floor and there in floor and floor[there] != floor[here] and floor[there][0] >= floor[here][0]:
                yield f"{name} (floor {floor[here][0]}) includes {included} (floor {floor[there][0]})"
    for name in sorted(circles(graph)):
        yield f"{name} includes itself through others"
    for name, path in sorted(files.items()):
        in_core = name.startswith("miou/")
        for included in includes(path):
            if in_core and re.match(r"boost/asio|miou_unix|sys/socket|sys/epoll", included):
                yield f"{name} includes {included}: the core knows no input and output"
            if included.startswith("boost/context") and not name.endswith("/fiber.hpp"):
                yield f"{name} includes {included}: only fiber.hpp does"
            if not in_core and re.match(r"miou/(detail|src)/", included):
                yield f"{name} includes {included}: miou_unix uses only what is public"


if __name__ == "__main__":
    found = list(complaints())
    print("\n".join(found) or "every file stands on its floor")
    sys.exit(bool(found))
