"""Films an agent at work: what would outlive it, were it killed now, at every moment that differs.

A frame is taken at each checkpoint, before and after each write to the kernel, before each name or file in
the state folder changes, and around each fsync. Threads stand still for it where they next change anything.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.functional.agent_bench import Bench
from tests.functional.agent_control_plane import Memory
from tests.functional.disk_picture import FILE, Entry, Picture, Synced, picture, restore
from vfio.sysfs import Sysfs

_WRITES = os.O_WRONLY | os.O_RDWR
_TAKES_AWAY = ("os.remove", "os.rename")
_CHANGES = (*_TAKES_AWAY, "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate")


@dataclass(frozen=True)
class Frame:
    """All that is left of an agent. `where` names the places that look the same."""

    state: Picture
    host: Picture
    hypervisor: Picture
    memory: Memory
    where: list[str] = field(default_factory=list)
    synced: Picture | None = None
    """What a power cut leaves of the state folder, where that is less."""
    torn: bool = False
    """In the middle of a file's content."""


class Film:
    """A checkpoint for the agent's hooks, and a kernel for its sysfs. Frames of the same look are one."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._lock = threading.RLock()
        self._frames: dict[object, Frame] = {}
        self._host: tuple[int, Picture] = (-1, {})
        self._synced = Synced(bench.state)
        self.places = 0

    @property
    def frames(self) -> list[Frame]:
        return list(self._frames.values())

    def __call__(self, name: str) -> None:
        self._shoot(name)

    def sysfs(self) -> Sysfs:
        return Sysfs(self._bench.host.sysfs().root, self)

    # --- the kernel, as the agent meets it -----------------------------------------------------------

    def before_read(self, path: str) -> None:
        self._bench.host.before_read(path)

    def write(self, path: str, data: bytes) -> None:
        with self._lock:
            self._shoot(f"before {path}")
            self._bench.host.written(path, data)
            self._shoot(f"after {path}")

    # --- the state folder ----------------------------------------------------------------------------

    @contextmanager
    def rolling(self) -> Iterator[None]:
        """Every change of the state folder is seen from here on."""
        global _rolling
        _install()
        _rolling = self
        try:
            yield
        finally:
            _rolling = None

    def changes(self, event: str, words: tuple[object, ...]) -> None:
        paths = [str(word) for word in words[:2] if isinstance(word, str | os.PathLike)]
        if event in ("os.remove", "os.rmdir") and isinstance(words[1], int) and words[1] >= 0:
            paths = [str(_opened(words[1]) / paths[0])]
        mine = [path for path in paths if path.startswith(f"{self._bench.state}/")]
        if mine:
            with self._lock:
                self._shoot(f"{event} {Path(mine[0]).name}")
                if event in _TAKES_AWAY:
                    self._synced.goes(mine[-1])

    def fsync(self, descriptor: int, sync: Callable[[int], None]) -> None:
        path = str(_opened(descriptor))
        if not path.startswith(str(self._bench.state)):
            sync(descriptor)
            return
        with self._lock:
            self._shoot(f"before fsync of {Path(path).name}", torn=os.path.relpath(path, self._bench.state))
            sync(descriptor)
            self._synced.fsync(path)
            self._shoot(f"after fsync of {Path(path).name}")

    # --- frames --------------------------------------------------------------------------------------

    def _shoot(self, where: str, torn: str = "") -> None:
        with self._lock:
            state, left = picture(self._bench.state), self._synced.left()
            self._keep(where, state, left if left != state else None)
            if (entry := state.get(torn)) is not None and entry.kind == FILE:
                half = Entry(FILE, entry.mode, entry.data[: len(entry.data) // 2])
                self._keep(f"half of {torn} written", state | {torn: half}, None, torn=True)

    def _keep(self, where: str, state: Picture, synced: Picture | None, torn: bool = False) -> None:
        self.places += 1
        host = self._host_picture()
        hypervisor, memory = picture(self._bench.hypervisor), self._bench.plane.remember()
        looks = (_key(state), _key(synced or {}), self._host[0], _key(hypervisor), memory.looks(), torn)
        frame = Frame(state, host, hypervisor, memory, synced=synced, torn=torn)
        self._frames.setdefault(looks, frame).where.append(where)

    def _host_picture(self) -> Picture:
        """It changes by writes alone."""
        writes = len(self._bench.host.writes)
        if self._host[0] != writes:
            self._host = writes, picture(self._bench.host.sysfs().root)
        return self._host[1]


def show(bench: Bench, frame: Frame, *, lost: bool = False) -> None:
    """The bench is as it was then, or with what was not synced lost; no agent is there."""
    restore(bench.state, frame.synced if lost and frame.synced is not None else frame.state)
    restore(bench.host.sysfs().root, frame.host)
    restore(bench.hypervisor, frame.hypervisor)
    bench.plane.recall(frame.memory)
    bench.find_again()


def _opened(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def _key(seen: Picture) -> object:
    return frozenset(seen.items())


_rolling: Film | None = None
_installed = False


def _install() -> None:
    """Once per process: an audit hook stays."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_heard)
        plain = os.fsync

        def fsync(descriptor: int) -> None:
            if _rolling is None:
                plain(descriptor)
            else:
                _rolling.fsync(descriptor, plain)

        os.fsync = fsync  # type: ignore[assignment]


def _heard(event: str, words: tuple[object, ...]) -> None:
    if _rolling is None:
        return
    if event in _CHANGES or (event == "open" and isinstance(words[2], int) and words[2] & _WRITES):
        _rolling.changes(event, words)
