"""The thread that sends reports: at once when facts changed, later for mere progress, and regularly."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Protocol

from kcloud_common.errors import KcloudError, Unavailable
from kcloud_common.log import alike
from kcloud_common.wire import HostReport, ReportAck
from kcloud_compute.backoff import Backoff
from kcloud_compute.transport import Refused

log = logging.getLogger(__name__)

_PROGRESS_DELAY = 0.5
"""Seconds that a report waits when only `busy` and `step` changed: work in progress mostly ends sooner, and
its own report says more."""
_FIRST, _MOST = 0.2, 15.0
_CONFLICT = 409


class Sends(Protocol):
    def report(self, report: HostReport) -> ReportAck: ...


class Reporter:
    """`accepted` is called with each report that was taken, `replaced` once another agent took over."""

    def __init__(
        self,
        api: Sends,
        interval: float,
        accepted: Callable[[HostReport], None],
        replaced: Callable[[], None],
    ) -> None:
        self._api, self._interval, self._accepted, self._replaced = api, interval, accepted, replaced
        self._changed = threading.Condition()
        self._latest: HostReport | None = None
        self._offered: HostReport | None = None
        self._offered_at = 0.0
        self.stale_after = 4 * interval + 60
        """Seconds without a look at the host, after which reports say that they are old."""
        self._sent = ("", "")
        self._due = 0.0
        self._sequence = 0
        self._stopping = False
        self._thread = threading.Thread(target=alike(self._run), name="kcloud-report", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(patience)

    def offer(self, report: HostReport) -> None:
        """The newest facts; its sequence is set when it is sent."""
        self._offered_at = time.monotonic()
        if report == self._offered:
            return  # hashing a report of hundreds of slices costs more than all the rest of a quiet turn
        self._offered = report
        facts, progress = digests(report)
        with self._changed:
            self._latest = report
            if facts != self._sent[0]:
                self._due = 0.0
            elif progress != self._sent[1]:
                self._due = min(self._due, time.monotonic() + _PROGRESS_DELAY)
            else:
                return
            self._changed.notify()

    def _run(self) -> None:
        backoff = Backoff(Random(), first=_FIRST, most=_MOST)  # noqa: S311 - jitter
        refusals = 0
        while (report := self._next()) is not None:
            try:
                taken = self._send(report)
            except Unavailable as error:
                log.debug("report_not_sent", extra={"reason": str(error)})
                self._again(backoff.next())
            except KcloudError as error:
                log.warning("report_refused", extra={"reason": str(error), "code": error.code})
                self._again(backoff.next())
            except Exception:
                # Without this thread nobody would hear of the host any more.
                log.exception("report_failed")
                self._again(backoff.next())
            else:
                backoff.reset()
                refusals = 0 if taken else refusals + 1
                if refusals > 1:
                    self._replaced()
                    return
                if not taken:
                    # For its epoch or for its sequence: the next one has a newer sequence, and will tell.
                    self._again(0.0)

    def _send(self, report: HostReport) -> bool:
        """Whether the control plane took it."""
        try:
            ack = self._api.report(report)
        except Refused as error:
            if error.details.get("status") != _CONFLICT:
                raise
            return False
        if ack.accepted:
            self._accepted(report)
        return ack.accepted

    def _next(self) -> HostReport | None:
        with self._changed:
            while not self._stopping:
                wait = self._due - time.monotonic() if self._latest else None
                if wait is not None and wait <= 0 and self._latest:
                    self._sequence += 1
                    # Whatever is offered from here on is measured against this one.
                    self._sent = digests(self._latest)
                    self._due = time.monotonic() + self._interval
                    return self._aged(self._latest).model_copy(update={"sequence": self._sequence})
                self._changed.wait(wait)
        return None

    def _aged(self, report: HostReport) -> HostReport:
        """Who looks at the host may hang in a read of a dead device: old facts must not pass for new ones."""
        if time.monotonic() - self._offered_at <= self.stale_after:
            return report
        why = "agent: it has not come to look at its host for long, a read may hang in the kernel: see dmesg"
        return report.model_copy(update={"problems": (*report.problems, why)})

    def _again(self, pause: float) -> None:
        """Forget that anything was sent, and send the newest facts after a pause."""
        with self._changed:
            self._due = time.monotonic() + pause


def digests(report: HostReport) -> tuple[str, str]:
    """Of its facts, and of its facts with the progress of work. The sequence is neither."""
    whole = report.model_copy(update={"sequence": 0})
    servers = tuple(server.model_copy(update={"busy": False, "step": ""}) for server in whole.servers)
    return _digest(whole.model_copy(update={"servers": servers})), _digest(whole)


def _digest(report: HostReport) -> str:
    return hashlib.sha256(report.model_dump_json().encode()).hexdigest()
