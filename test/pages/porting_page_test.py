#!/usr/bin/env python3
"""Checks docs/porting.md. Each C++ line must be in a file that the tests compile and run. Each row of a
table with a column for C++ must have such a line. There must be a row for each name of Miou's interface
files, and for the names of other modules that programs of Miou use."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Module -> the values, types and exceptions of its interface file; "" is the initial scope of OCaml.
NAMES = {
    "Miou": """t run async call parallel await await_exn await_one await_first await_all cancel Cancelled yield
        protect reraise No_domain_available orphans care take get length Still_has_children Not_a_child
        Not_owner Resource_leaked No_select_provided syscall uid suspend signal select events sys_signal Fmt""",
    "Miou.Handler": "t compose",
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
        read_bigstring really_read write write_bigstring close udpv4 udpv6 recvfrom sendto sleep run Ownership Bitv
        blocking_read blocking_write""",
    "Miou_unix.Ownership": """file_descr of_file_descr to_file_descr resource tcpv4 tcpv6 udpv4 udpv6
        bind_and_listen accept connect read really_read write recvfrom sendto close""",
    "Miou.Trace": "set_reporter trace event",
    "Miou.Logs": "level msg err warn debug Make",
    "": """End_of_file Invalid_argument Failure Not_found Exit Out_of_memory Assert_failure Sys_error""",
    "Unix": """Unix_error ADDR_INET ADDR_UNIX sockaddr inet_addr_any inet_addr_of_string string_of_inet_addr
        getsockname getpeername getaddrinfo shutdown setsockopt pipe stdout openfile fstat gettimeofday""",
    "Domain": "DLS recommended_domain_count",
    "Fun": "protect Finally_raised",
    "Atomic": "make fetch_and_add compare_and_set",
}
# These have a row because a porter looks for them. They are no names of an interface file.
ARGUMENTS = ["Miou.run ?poll", "Miou.call ?handler"]


def squeezed(text):
    return re.sub(r"\s+", "", text)


def complaints():
    page = (ROOT / "docs/porting.md").read_text()
    compiled = squeezed("".join(p.read_text() for p in sorted((ROOT / "test").rglob("porting_*_test.cpp"))))
    named = set()
    columns = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and cells[0] == "name":
            columns = cells
        if not cells or cells[0] == "name" or set(cells[0]) == {"-"}:
            continue
        if len(cells) != len(columns):
            yield f"docs/porting.md: {len(cells)} cells in a table of {len(columns)}: {line}"
            continue
        named.update(re.findall(r"`([\w.]+(?: \?\w+)?)`", cells[0]))
        if columns[-1] != "C++":
            continue
        snippets = re.findall(r"`([^`]+)`", cells[-1])
        if not snippets:
            yield f"docs/porting.md: no line of C++: {line}"
        for snippet in snippets:
            if squeezed(snippet).rstrip(";") not in compiled:
                yield f"docs/porting.md: no test compiles `{snippet}`"
    wanted = [f"{module}.{name}".strip(".") for module, names in NAMES.items() for name in names.split()]
    for name in wanted + ARGUMENTS:
        if name not in named:
            yield f"docs/porting.md: {name} has no row"


if __name__ == "__main__":
    found = list(complaints())
    print("\n".join(found) or "every name has a row, every line compiles")
    sys.exit(bool(found))
