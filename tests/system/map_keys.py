#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""map_keys.py maps|dead PID... - the hash maps that these processes hold, against what lives on the machine.

`maps`: a line for each map: NAME ENTRIES LIMIT. `dead`: a line for each key that names a process or thread that is not there
any more, and for each entry by which a map that is keyed by sockets has more than there are TCP sockets in all network
namespaces. The figures come from the kernel through bpftool, not from the agent. (Processes end all the time: what
is dead in two answers some seconds apart has been forgotten.)
"""
import glob
import json
import os
import re
import subprocess
import sys

THREAD_KEYED = {"waiting", "calls", "ended", "reported"}
SOCKET_KEYED = {"lives", "tcp_outgoing", "shared"}


def bpftool(*words):
    done = subprocess.run(["bpftool", "-j", "map", *words], capture_output=True, text=True)
    try:
        return json.loads(done.stdout or "[]")
    except ValueError:
        return []


def maps_of(pids):
    ids = set()
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
            try:
                found = re.search(r"map_id:\s*(\d+)", open(path).read())
            except OSError:
                continue
            if found:
                ids.add(int(found[1]))
    return sorted(ids)


def tcp_sockets():
    """TCP sockets of all network namespaces that a process lives in."""
    count, seen = 0, set()
    for path in glob.glob("/proc/[0-9]*/ns/net"):
        try:
            namespace = os.readlink(path)
        except OSError:
            continue
        if namespace in seen:
            continue
        seen.add(namespace)
        for name in ("tcp", "tcp6"):
            try:
                count += max(0, len(open(path.replace("ns/net", f"net/{name}")).readlines()) - 1)
            except OSError:
                pass
    return count


def fields(value):
    """All named numbers of a key, however deep."""
    if isinstance(value, dict):
        for name, part in value.items():
            if isinstance(part, dict):
                yield from fields(part)
            else:
                yield name, part


def is_dead(name, key):
    if name in THREAD_KEYED:
        return bool(key) and not os.path.exists(f"/proc/{key}")
    return any(
        part and part != 0xFFFFFFFF and not os.path.exists(f"/proc/{part}")
        for field, part in fields(key)
        if field in ("pid", "tid", "tgid")
    )


def dead_keys(number, name, keys):
    if name in SOCKET_KEYED:
        return [f"{number} {name} beyond {i}" for i in range(len(keys) - tcp_sockets())]
    return [f"{number} {name} {json.dumps(key)}" for key in keys if is_dead(name, key)]


def main():
    for number in maps_of(sys.argv[2:]):
        info = bpftool("show", "id", str(number))
        if not isinstance(info, dict) or "hash" not in info.get("type", ""):
            continue
        rows = [row.get("formatted", row) for row in bpftool("dump", "id", str(number)) if isinstance(row, dict)]
        keys = [row["key"] for row in rows if "key" in row]
        if sys.argv[1] == "maps":
            print(info["name"], len(keys), info["max_entries"])
        else:
            print("".join(line + "\n" for line in dead_keys(number, info["name"], keys)), end="")


main()
