"""Holds the namespaces of a private libvirtd (see tests/libvirtd.py) and is the init of what runs in them.

Run as: unshare --mount --net python libvirtd_holder.py COMMAND SOURCE TARGET [SOURCE TARGET ...]
Binds each SOURCE over its TARGET, then answers each line `start` by running COMMAND, which is expected to
put itself into the background. Adopts and reaps orphans at once: libvirt waits for a destroyed emulator to
be gone, and the init of a container may take seconds. Ends, with all that lives here, when its input ends.
"""

import ctypes
import os
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def main(command: str, *places: str) -> None:
    for source, target in zip(places[::2], places[1::2], strict=True):
        Path(target).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", source, target], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    print("ready", flush=True)
    serve(command, woken)
    end_all()


def serve(command: str, woken: int) -> None:
    """Until the input ends: start what is asked for, reap what has ended."""
    words = shlex.split(command)
    starting: int | None = None
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
        ended = reap()
        if starting in ended:
            print("started" if ended[starting] == 0 else "failed", flush=True)
            starting = None
        if 0 in ready:
            if not os.read(0, 4096):
                return
            starting = os.posix_spawnp(words[0], words, os.environ)


def reap() -> dict[int | None, int]:
    """Exit codes of all children that have ended, by pid."""
    ended: dict[int | None, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def end_all() -> None:
    """SIGKILL to every other process of this network namespace, until there is none (one of them may have
    made a mount namespace of its own)."""
    while others := [pid for pid in pids() if pid != os.getpid() and lives_here(pid)]:
        for pid in others:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        reap()


def pids() -> list[int]:
    return [int(process.name) for process in Path("/proc").iterdir() if process.name.isdigit()]


def lives_here(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    except OSError:
        return False


if __name__ == "__main__":
    main(*sys.argv[1:])
