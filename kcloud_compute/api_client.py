"""The agent's side of /kcloud/v1: one method per call, typed both ways. Errors: see transport.py."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from uuid import UUID

import httpx

from kcloud_common.errors import Unavailable
from kcloud_common.wire import Assignment, Enrolled, Enrolment, HostReport, HostSession, ReportAck
from kcloud_compute import transport
from kcloud_compute.backoff import Backoff

_TRIES = 3
_CHUNK = 1 << 20


class ApiClient:
    """Thread-safe. `host_id` and `secret` are known once the host is enrolled (`use`)."""

    def __init__(
        self, api_url: str, *, ca_file: str = "", pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._http = transport.connect(api_url, ca_file)
        self._polls = transport.connect(api_url, ca_file)
        self._held = transport.HeldConnection()
        self._pause = pause
        self._random = Random()  # noqa: S311 - jitter
        self._host = ""

    def use(self, host_id: UUID, secret: str) -> None:
        """Speak as this host from now on."""
        self._host = f"/kcloud/v1/hosts/{host_id}"
        for client in (self._http, self._polls):
            client.headers["X-Kcloud-Host-Id"] = str(host_id)
            client.headers["X-Kcloud-Host-Secret"] = secret

    def enrol(self, token: str, enrolment: Enrolment) -> Enrolled:
        request = self._http.build_request(
            "POST",
            "/kcloud/v1/enrol",
            headers={"X-Kcloud-Enrol-Token": token, "Content-Type": "application/json"},
            content=enrolment.model_dump_json(),
        )
        with transport.understood():
            return Enrolled.model_validate_json(self._ask(request))

    def open_session(self) -> HostSession:
        request = self._http.build_request("POST", f"{self._host}/session")
        with transport.understood():
            return HostSession.model_validate_json(self._ask(request))

    def assignment(self, after: int, wait: float) -> Assignment:
        """Answers at once when there is a newer one than `after`, else after `wait` seconds with what there
        is. One request, not repeated: its caller is a loop. One caller at a time."""
        request = self._polls.build_request(
            "GET",
            f"{self._host}/assignment",
            params={"after": str(after), "wait": f"{wait:g}"},
            timeout=httpx.Timeout(wait + transport.ANSWER, connect=transport.CONNECT),
            extensions={"trace": self._held.trace},
        )
        with transport.understood():
            return Assignment.model_validate_json(transport.ask(self._polls, request))

    def report(self, report: HostReport) -> ReportAck:
        """One request, not repeated: the caller sends a newer report instead."""
        request = self._http.build_request(
            "PUT",
            f"{self._host}/report",
            headers={"Content-Type": "application/json"},
            content=report.model_dump_json(),
        )
        with transport.understood():
            return ReportAck.model_validate_json(transport.ask(self._http, request))

    def upload_console(self, server_id: UUID, count: int, tail: bytes) -> None:
        request = self._http.build_request(
            "PUT",
            f"{self._host}/servers/{server_id}/console",
            params={"count": str(count)},
            headers={"Content-Type": "application/octet-stream"},
            content=tail,
        )
        self._ask(request)

    @contextmanager
    def image(self, image_id: UUID) -> Iterator[Iterator[bytes]]:
        """The image's bytes as they come; a broken stream is Unavailable while they are read."""
        path = f"{self._host}/images/{image_id}"
        with transport.reached(), self._http.stream("GET", path) as response:
            if not response.is_success:
                response.read()
                transport.check(response)
            yield response.iter_raw(_CHUNK)

    def interrupt(self) -> None:
        """Make a held assignment request return now (Unavailable)."""
        self._held.cut()

    def close(self) -> None:
        self._http.close()
        self._polls.close()

    def _ask(self, request: httpx.Request) -> bytes:
        """A few tries; every call here may be made twice."""
        backoff = Backoff(self._random)
        for _ in range(_TRIES - 1):
            try:
                return transport.ask(self._http, request)
            except Unavailable:
                self._pause(backoff.next())
        return transport.ask(self._http, request)
