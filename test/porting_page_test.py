#!/usr/bin/env python3
"""Checks docs/porting.md: each C++ line stands in a file that the tests compile and run, and each
name of Miou's interface files has a row."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Module -> the values, types and exceptions of its interface file.
NAMES = {
    "Miou": """t run async call parallel await await_exn await_one await_first await_all cancel Cancelled yield
        protect reraise No_domain_available orphans care take get length Still_has_children Not_a_child
        Not_owner Resource_leaked No_select_provided syscall uid suspend signal select events sys_signal Fmt""",
    "Miou.Promise": "t uid state pp Uid.t Uid.pp",
    "Miou.Domain": "self available all Uid.t Uid.of_int Uid.equal Uid.pp",
    "Miou.Ownership": "t create check own disown release transfer",
    "Miou.Hook": "t add remove",
    "Miou.Mutex": "create lock unlock try_lock protect",
    "Miou.Condition": "create wait signal broadcast",
    "Miou.Lazy": "from_val from_fun force Undefined",
    "Miou.Trigger": "create is_initial is_signaled await signal on_signal Await",
    "Miou.Computation": """create try_return try_capture try_cancel is_running cancelled raise_if_errored peek
        try_attach detach clean await await_exn canceller state""",
    "Miou.Queue": "t create Empty enqueue dequeue peek is_empty iter drop length to_list transfer",
    "Miou.Sequence": """t node direction Empty create take peek_node add drop length exists iter iter_node is_empty
        remove data to_list""",
    "Miou.Pqueue": """Make create is_empty size find_min Empty find_min_exn delete_min_exn extract_min_exn insert
        iter""",
    "Miou.Backoff": "max_wait_log create default once reset get_wait_log",
    "Miou_unix": """file_descr of_file_descr to_file_descr unix_socket tcpv4 tcpv6 bind_and_listen accept connect read
        really_read write close udpv4 udpv6 recvfrom sendto sleep run Ownership Ownership.resource Bitv
        blocking_read blocking_write""",
    "Miou.Trace": "set_reporter trace event",
    "Miou.Logs": "level msg err warn debug Make",
}


def squeezed(text):
    return re.sub(r"\s+", "", text)


def complaints():
    page = (ROOT / "docs/porting.md").read_text()
    compiled = squeezed("".join(p.read_text() for p in sorted((ROOT / "test").glob("porting_*_test.cpp"))))
    rows = [line.strip("|").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    named = set()
    for cells in rows:
        named.update(re.findall(r"`(Miou[\w.]*)`", cells[0]))
        if len(cells) < 3 or cells[0].strip() == "name" or set(cells[0].strip()) <= {"-"}:
            continue
        for snippet in re.findall(r"`([^`]+)`", cells[2]):
            if squeezed(snippet).rstrip(";") not in compiled:
                yield f"docs/porting.md: no test compiles `{snippet}`"
    for module, names in NAMES.items():
        for name in names.split():
            if f"{module}.{name}" not in named:
                yield f"docs/porting.md: {module}.{name} has no row"


if __name__ == "__main__":
    found = list(complaints())
    print("\n".join(found) or "every name has a row, every line compiles")
    sys.exit(bool(found))
