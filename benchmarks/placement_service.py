"""The services that are measured: ours as a process of its own, and upstream's wherever it runs."""

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.processes_cpu import cpu_ms, listening_on, rss_mib, with_children
from tests.e2e.processes import Process

VERSION = "placement 1.39"
HEADERS = {
    "X-Auth-Token": "admin",
    "OpenStack-API-Version": VERSION,
    "Content-Type": "application/json",
}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content: bytes
    ms: float
    cpu: float

    def json(self) -> Any:  # noqa: ANN401 - it is JSON
        return json.loads(self.content)


@dataclass
class Target:
    """A placement service at a URL, with the processes whose CPU its answers cost."""

    name: str
    url: str
    servers: Sequence[int]
    databases: Sequence[int] = ()
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    @property
    def pids(self) -> list[int]:
        """Database processes come and go with connections."""
        return [*self.servers, *(pid for one in self.databases for pid in with_children(one))]

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """One request on a kept connection; CPU is that of all its processes meanwhile."""
        pids = self.pids
        before, began = cpu_ms(pids), time.perf_counter()
        status, content = self._send(method, path, body)
        ms = (time.perf_counter() - began) * 1000
        return Answer(status, content, ms, cpu_ms(pids) - before)

    def check(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - it is JSON
        """The answer's JSON. Raises RuntimeError when it is an error."""
        status, content = self._send(method, path, body)
        if status >= 400:
            raise RuntimeError(f"{self.name}: {method} {path}: {status} {content[:500]!r}")
        return json.loads(content) if content else None

    def another(self) -> "Target":
        """The same service, over a connection of its own."""
        return Target(self.name, self.url, self.servers, self.databases)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        text = json.dumps(body) if body is not None else None
        for again in (True, False):
            if self._connection is None:
                self._connection = http.client.HTTPConnection(parts.netloc, timeout=600)
            try:
                self._connection.request(method, parts.path.rstrip("/") + path, text, HEADERS)
                answer = self._connection.getresponse()
                return answer.status, answer.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.close()
                if not again:
                    raise
        raise AssertionError("not reached")


@dataclass(frozen=True, slots=True)
class Restart:
    seconds: float
    cpu: float
    """Of the service without its database, in ms."""
    memory: float
    """At its highest, in MiB."""


@dataclass(frozen=True, slots=True)
class Ours:
    """How to start our service."""

    database: str
    folder: Path
    workers: int = 1
    options: Sequence[str] = ()

    def process(self) -> Process:
        words = ["--services", "placement", "--port", "0", "--database", self.database, "--migrate"]
        words += ["--set", "placement.auth_strategy=noauth2", "--workers", str(self.workers)]
        for option in self.options:
            words += ["--set", option]
        return Process(["kcloud-api", *words], self.folder / "kcloud-api.log")

    @contextmanager
    def running(self) -> Iterator[Target]:
        process = self.process()
        url = process.start(seconds=300).removeprefix("ready ")
        target = Target("kcloud", url, with_children(process.pid), database_pids(self.database))
        try:
            yield target
        finally:
            target.close()
            process.stop()

    def first_answer(self, path: str) -> "Restart":
        """From nothing to the first answer to `path`."""
        began = time.monotonic()
        with self.running() as target:
            target.check("GET", path)
            seconds = time.monotonic() - began
            return Restart(seconds, cpu_ms(target.servers), rss_mib(target.servers, "VmHWM"))


def database_pids(url: str) -> list[int]:
    """The PostgreSQL server's main process; nothing for SQLite, which works inside its caller."""
    port = urlsplit(url).port
    return listening_on(port) if port else []
