"""Runs kcloud's own processes for end-to-end tests, kills them by pid, and waits by looking."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
BIN = Path(sys.executable).parent


class Deadline(AssertionError):
    """Something that should have become true did not."""


def eventually(look: Callable[[], T | None], what: str, *, seconds: float = 60, every: float = 0.05) -> T:
    """The first truthy answer of `look`, asked again and again until the deadline."""
    end = time.monotonic() + seconds
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Deadline(f"not within {seconds} s: {what}")
        time.sleep(every)


def worker_pids(pid: int) -> set[int]:
    """The API workers of that process; multiprocessing's resource tracker is none."""
    found = set()
    by_thread = (path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    for child in chain.from_iterable(by_thread):
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            found.add(int(child))
    return found


@dataclass
class Process:
    """A kcloud process that prints `ready ...` when it serves; its output goes to `log`."""

    arguments: Sequence[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    _child: "subprocess.Popen[bytes] | None" = None
    _log_from: int = 0

    def start(self, *, seconds: float = 60) -> str:
        """Start it and return its `ready` line."""
        self.launch()
        return self.wait_ready(seconds=seconds)

    def launch(self) -> None:
        """Start it without waiting."""
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                [*self.prefix, str(BIN / self.arguments[0]), *self.arguments[1:]],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
            )

    def wait_ready(self, *, seconds: float = 60) -> str:
        """The `ready` line of this start."""
        child = self._child
        assert child is not None, "not started"

        def ready() -> str | None:
            text = self.log.read_bytes()[self._log_from :].decode(errors="replace")
            for line in text.splitlines():
                if line.startswith("ready "):
                    return line
            if child.poll() is not None:
                raise Deadline(f"{self.arguments[0]} ended with {child.returncode}:\n{text[-4000:]}")
            return None

        return eventually(ready, f"{self.arguments[0]} is ready (log: {self.log})", seconds=seconds)

    @property
    def pid(self) -> int:
        assert self._child is not None, "not started"
        return self._child.pid

    def kill(self) -> None:
        """kill -9: no handler runs."""
        self._end(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """As Ctrl-C would; its exit status (0 when it does not run)."""
        return self._end(how)

    def wait(self, *, seconds: float = 30) -> int:
        """Until it has ended by itself; its exit status."""
        assert self._child is not None, "not started"
        return self._child.wait(timeout=seconds)

    def _end(self, how: signal.Signals) -> int:
        if self._child is None:
            return 0
        if self._child.poll() is None:
            self._child.send_signal(how)
        status = self._child.wait(timeout=30)
        self._child = None
        return status
