"""Several API processes behind one listening socket: started fresh, watched, replaced when one dies.

Spawned and not forked: a fork would share database connections and threads that no child may use.
"""

import functools
import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any, cast

from starlette.types import ASGIApp

from kcloud_api.http.live import GRACE_SECONDS, Server
from kcloud_common.errors import PermanentError

log = logging.getLogger(__name__)

START_SECONDS = 60.0
PAUSE_SECONDS = 1.0
"""Between the death of a worker and its successor: a worker that cannot live must not spin."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a worker serves, and what it calls before it stops."""

    app: ASGIApp
    stopping: Callable[[], None]


class Workers:
    """`count` processes that serve `make(*arguments)`; what they get must pickle."""

    def __init__(
        self, listener: socket.socket, count: int, make: Callable[..., Served], arguments: tuple[Any, ...]
    ) -> None:
        self._listener = listener
        self._count = count
        self._make = functools.partial(make, *arguments)
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[SpawnProcess] = []
        self._closing = threading.Event()
        self._guard = threading.Thread(target=self._watch, name="api-workers", daemon=True)

    def start(self) -> None:
        """Return once every worker serves. Raises PermanentError when one cannot."""
        started = [self._spawn() for _ in range(self._count)]
        self._processes = [process for process, _ in started]
        for process, ready in started:
            if not _is_ready(process, ready):
                raise PermanentError("An API worker did not start; its log says why.")
        self._guard.start()

    def close(self) -> None:
        """Ask each to stop, and end those that do not."""
        self._closing.set()
        if self._guard.is_alive():
            self._guard.join()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(GRACE_SECONDS + 3)
            if process.is_alive():
                process.kill()
                process.join()
        self._listener.close()

    def _spawn(self) -> tuple[SpawnProcess, Any]:
        ready = self._context.Event()
        process = self._context.Process(
            target=_work, args=(self._make, self._listener, ready), name="kcloud-api-worker"
        )
        process.start()
        return process, ready

    def _watch(self) -> None:
        while not self._closing.is_set():
            wait([process.sentinel for process in self._processes], timeout=0.5)
            for index, process in enumerate(self._processes):
                if process.is_alive() or self._closing.is_set():
                    continue
                log.error("api_worker_died", extra={"pid": process.pid, "exit_code": process.exitcode})
                if not self._closing.wait(PAUSE_SECONDS):
                    self._processes[index], _ = self._spawn()


def _is_ready(process: SpawnProcess, ready: Any) -> bool:  # noqa: ANN401 - multiprocessing's Event has no type
    waited = 0.0
    while waited < START_SECONDS and process.is_alive():
        if ready.wait(0.2):
            return True
        waited += 0.2
    return False


def _work(make: Callable[[], Served], listener: socket.socket, ready: Any) -> None:  # noqa: ANN401
    """The worker's whole life, in its own process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    served = make()
    Server(served.app, serving=ready.set, stopping=served.stopping).run([listener])


def _end_with_parent() -> None:
    """A worker whose parent was killed would go on serving an old cloud on its port."""
    parent = multiprocessing.parent_process()
    wait([cast("Any", parent).sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
