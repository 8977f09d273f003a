"""A control plane in the test's own process: serves what a test assigns, keeps what an agent reports."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from kcloud_common.wire import (
    Assignment,
    Enrolled,
    Enrolment,
    HostReport,
    HostSession,
    ReportAck,
    ServerReport,
    ServerWant,
)

HOST_ID = UUID(int=0xA0)
TOKEN = "one-time-token"
TIMEOUT = 20.0


@dataclass(frozen=True)
class Memory:
    """What a control plane has been told so far."""

    secret: str
    reports: tuple[HostReport, ...]

    def looks(self) -> object:
        """What of it an agent could tell from another."""
        devices = [device for report in self.reports for device in report.devices]
        certified = {(each.name, each.certificate.sequence) for each in devices if each.certificate}
        return self.secret, frozenset(certified)


class ControlPlane:
    """Thread-safe. The methods without a verb of HTTP are the test's."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.epoch = 0
        self.sequence = 0
        self.secret = ""
        self.down = False
        self.mute = False
        """What is assigned wakes nobody up: the wake-up was lost."""
        self.reports: list[HostReport] = []
        self.consoles: list[tuple[UUID, int, bytes]] = []
        self.images: dict[UUID, bytes] = {}
        self.downloads: list[UUID] = []
        self.spoil: list[Callable[[bytes], bytes]] = []
        """What happens to the next image bodies, in order."""
        self.extra = b""
        """Takes the place of the last brace of the next assignment."""
        self.image_gate = threading.Event()
        self.image_gate.set()
        self._assignment = Assignment(host_id=HOST_ID, generation=1)
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.changed:
            self.down = True
            self.changed.notify_all()
        self.image_gate.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    # --- the test's side -----------------------------------------------------------------------------

    def assign(self, *servers: ServerWant, **more: object) -> int:
        """The number of the new assignment."""
        with self.changed:
            number = self._assignment.generation + 1
            facts = {"host_id": HOST_ID, "generation": number, "servers": servers, **more}
            self._assignment = Assignment.model_validate(facts)
            if not self.mute:
                self.changed.notify_all()
            return number

    def remember(self) -> Memory:
        with self.changed:
            return Memory(self.secret, tuple(self.reports))

    def recall(self, memory: Memory) -> None:
        """Only while no agent is there. What is wished for stays."""
        with self.changed:
            self.secret, self.reports = memory.secret, list(memory.reports)

    def wait(self, what: str, true: Callable[[], bool], timeout: float = TIMEOUT) -> None:
        with self.changed:
            if not self.changed.wait_for(true, timeout):
                last = self.reports[-1] if self.reports else None
                raise AssertionError(f"not within {timeout} s: {what}; last report: {last!r}")

    def wait_server(self, server_id: UUID, true: Callable[[ServerReport], bool]) -> ServerReport:
        """The first report of this server, from the newest one on, of which it is true."""

        def now() -> bool:
            found = self.server(server_id)
            return found is not None and true(found)

        self.wait(f"a report of {server_id}", now)
        found = self.server(server_id)
        assert found is not None
        return found

    def server(self, server_id: UUID) -> ServerReport | None:
        """As of the newest report that knew of the present assignment."""
        if not self.reports or self.reports[-1].assignment_generation != self._assignment.generation:
            return None
        return next((seen for seen in self.reports[-1].servers if seen.id == server_id), None)

    # --- the agent's side ----------------------------------------------------------------------------

    def enrol(self, token: str, body: bytes) -> tuple[int, bytes]:
        enrolment = Enrolment.model_validate_json(body)
        if token != TOKEN or self.secret not in ("", enrolment.secret):
            return 401, b"the token is not good"
        self.secret = enrolment.secret
        return 200, _json(Enrolled(host_id=HOST_ID))

    def open_session(self) -> tuple[int, bytes]:
        with self.changed:
            self.epoch += 1
            self.sequence = 0
            # Time is of no use to the agent yet; any will do.
            return 200, b'{"epoch": %d, "server_time": "2030-01-01T00:00:00Z"}' % self.epoch

    def assignment(self, after: int, wait: float) -> tuple[int, bytes]:
        with self.changed:
            self.changed.wait_for(lambda: self.down or self._assignment.generation != after, wait)
            if self.down:
                return 503, b"down"
            answer = _json(self._assignment)
            if self.extra:
                answer, self.extra = answer.removesuffix(b"}") + self.extra, b""
            return 200, answer

    def report(self, body: bytes) -> tuple[int, bytes]:
        report = HostReport.model_validate_json(body)
        with self.changed:
            taken = report.epoch == self.epoch and report.sequence > self.sequence
            if taken:
                self.sequence = report.sequence
                self.reports.append(report)
            self.changed.notify_all()
            return 200, _json(ReportAck(accepted=taken, assignment_generation=self._assignment.generation))

    def image(self, image_id: UUID) -> tuple[int, bytes]:
        with self.changed:
            self.downloads.append(image_id)
            self.changed.notify_all()
        self.image_gate.wait(TIMEOUT)
        data = self.images.get(image_id)
        if data is None:
            return 404, b"no such image"
        return 200, self.spoil.pop(0)(data) if self.spoil else data

    def console(self, server_id: UUID, count: int, body: bytes) -> tuple[int, bytes]:
        with self.changed:
            self.consoles.append((server_id, count, body))
            self.changed.notify_all()
        return 204, b""


def _json(body: Enrolled | HostSession | Assignment | ReportAck) -> bytes:
    return body.model_dump_json().encode()


TRUNCATED = b"\x00--the connection breaks here--\x00"
"""At the end of an answer: announce it whole, send it without this, and hang up."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plane = plane


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        status, answer = self._route(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        declared = len(answer)
        if answer.endswith(TRUNCATED):
            answer = answer.removesuffix(TRUNCATED)
            self.close_connection = True
        try:
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(declared))
            self.end_headers()
            self.wfile.write(answer)
            self.wfile.flush()
        except OSError:
            self.close_connection = True

    def _route(self, body: bytes) -> tuple[int, bytes]:
        assert isinstance(self.server, _Server)
        plane = self.server.plane
        path = urlsplit(self.path).path
        if plane.down:
            return 503, b"down"
        if path == "/kcloud/v1/enrol":
            return plane.enrol(self.headers.get("X-Kcloud-Enrol-Token", ""), body)
        mine = f"/kcloud/v1/hosts/{HOST_ID}/"
        if self.headers.get("X-Kcloud-Host-Secret") != plane.secret or not path.startswith(mine):
            return 401, b"who are you"
        return self._own(plane, path.removeprefix(mine).split("/"), body)

    def _own(self, plane: ControlPlane, parts: list[str], body: bytes) -> tuple[int, bytes]:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        match parts:
            case ["session"]:
                return plane.open_session()
            case ["assignment"]:
                return plane.assignment(int(query["after"]), float(query["wait"]))
            case ["report"]:
                return plane.report(body)
            case ["images", image_id]:
                return plane.image(UUID(image_id))
            case ["servers", server_id, "console"]:
                return plane.console(UUID(server_id), int(query["count"]), body)
        return 404, b"no such route"
