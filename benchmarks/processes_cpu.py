"""CPU time and memory of running processes, as the kernel counts them: a server's, and its database's."""

import time
from collections.abc import Iterable
from pathlib import Path

CPU_OF_PROCESS = 2
"""The kernel's number for "the CPU clock of a process" in the low bits of a clock's id."""


def cpu_ms(pids: Iterable[int]) -> float:
    """CPU that these processes have used so far, all threads, in ms; nothing for those that ended."""
    return sum(map(_one, pids))


def _one(pid: int) -> float:
    try:
        return time.clock_gettime_ns((~pid << 3) | CPU_OF_PROCESS) / 1e6
    except OSError:
        return 0.0


def with_children(pid: int) -> list[int]:
    """The process and all that come from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found.extend(with_children(int(child)))
    return found


def listening_on(port: int) -> list[int]:
    """The processes that hold a listening TCP socket of that port."""
    inodes = {f"socket:[{fields[9]}]" for fields in _sockets() if fields[3] == "0A" and _port(fields) == port}
    return [pid for pid in _pids() if inodes & _files_of(pid)]


def rss_mib(pids: Iterable[int], field: str = "VmRSS") -> float:
    """Memory, now (VmRSS) or at its highest (VmHWM)."""
    return sum(_memory(pid, field) for pid in pids)


def _memory(pid: int, field: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0) / 1024


def _sockets() -> Iterable[list[str]]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if Path(table).exists():
            yield from (line.split() for line in Path(table).read_text().splitlines()[1:])


def _port(fields: list[str]) -> int:
    return int(fields[1].rpartition(":")[2], 16)


def _pids() -> Iterable[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())


def _files_of(pid: int) -> set[str]:
    try:
        return {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return set()
