"""The agent of one host: who it is, what it is told, when it acts. Its threads are made and ended here.

    poll thread       holds a request for the assignment open
    main thread       takes a turn on every new assignment, lifecycle event, ended job and timer
    workers           carry out actions, one server each
    report thread     sends what changed

A control plane that is lost changes nothing on the host. An agent that was replaced stops acting.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from socket import gethostname
from typing import TypeVar
from uuid import UUID

from hypervisor_drivers.driver import Driver, DriverError
from kcloud_common.errors import KcloudError, PermanentError, Unavailable
from kcloud_common.log import spoken_on
from kcloud_common.wire import Assignment, HostSession
from kcloud_compute import identity
from kcloud_compute.api_client import ApiClient
from kcloud_compute.assembly import Assembly, Events, Given, Hooks, assemble
from kcloud_compute.backoff import Backoff
from kcloud_compute.conf import ComputeConf
from kcloud_compute.images import remove_unfinished
from kcloud_compute.paths import StatePaths
from kcloud_compute.poll import AssignmentPoll
from kcloud_compute.sight import RETRY
from kcloud_compute.statelock import StateLock
from vfio.offer import parse_rule
from vfio.sysfs import Sysfs

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_MOST_OFTEN = 1.0
"""Seconds: timers are never faster than this; events are heard at once."""
_PATIENCE = 5.0
"""Seconds that stopping waits for each thread; whoever takes longer is finished by the next agent."""


class Replaced(PermanentError):
    """Another agent reports for this host: this one must not act any more."""

    code = "agent_replaced"


class _Stopped(Exception):
    """Told to stop while waiting for somebody."""


class Agent:
    """`start`, wait for `ready`, `stop`. The driver stays its caller's."""

    def __init__(
        self, conf: ComputeConf, driver: Driver, sysfs: Sysfs, *, hooks: Hooks | None = None
    ) -> None:
        """ValueError for a device rule or a host name that is none."""
        self._conf, self._driver, self._sysfs = conf, driver, sysfs
        self._hooks = hooks or Hooks()
        self._paths = StatePaths(Path(conf.agent.state_dir).absolute())
        self._rules = tuple(parse_rule(text) for text in conf.devices.offer)
        if not _HOST_NAME.fullmatch(self.host):
            raise ValueError(f"agent.host: {self.host!r} is not a host name")
        self._api = ApiClient(conf.agent.api_url, ca_file=conf.agent.ca_file, pause=self._pause)
        self._assignment: Assignment | None = None
        self._turn_failed = ""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._main, name="kcloud-agent", daemon=True)
        self._news = threading.Event()
        self.ready = threading.Event()
        """The control plane has accepted a report."""
        self.ended = threading.Event()
        self.error: BaseException | None = None
        """Why it ended without being told to."""

    @property
    def host(self) -> str:
        """The name to enrol under."""
        return self._conf.agent.host or gethostname()

    def start(self) -> None:
        """Returns at once, also when the control plane is not there yet. Raises StateInUse."""
        self._paths.make()
        self._lock = StateLock(self._paths.lock)
        self._thread.start()

    def wait_ready(self, timeout: float | None = None) -> bool:
        """True once the control plane knows this host; False when time is out, or the agent has ended."""
        self._news.wait(timeout)
        return self.ready.is_set() and not self.ended.is_set()

    def stop_soon(self) -> None:
        """Ask it to end; safe in a signal handler."""
        self._stopping.set()
        self._wake.set()

    def stop(self) -> None:
        """Guests keep running. Returns when nothing acts on the host any more, or patience is out."""
        self.stop_soon()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(4 * _PATIENCE)

    # --- the main thread -----------------------------------------------------------------------------

    def _main(self) -> None:
        with spoken_on(self.host):
            self._live()

    def _live(self) -> None:
        try:
            self._run()
        except _Stopped:
            pass
        except BaseException as error:
            self.error = self.error or error
            log.critical("agent_failed", extra={"reason": str(error)}, exc_info=_unexpected(error))
        finally:
            self._api.close()
            self._lock.release()
            log.info("agent_stopped")
            self.ended.set()
            self._news.set()

    def _run(self) -> None:
        host_id = self._enrol()
        capabilities = self._persist("hypervisor", self._driver.capabilities)
        epoch = self._persist("session", self._open_session).epoch
        given = Given(
            self._conf, self._driver, self._sysfs, self._api, self._paths, self._rules, self._hooks, host_id
        )
        events = Events(wake=self._wake.set, accepted=self._accepted, replaced=self._replaced)
        whole = self._persist("state", lambda: assemble(given, capabilities, epoch, events))
        self._persist("images", lambda: remove_unfinished(self._paths))
        poll = AssignmentPoll(self._api, host_id, self._conf.agent.poll_wait, self._assigned)
        self._driver.watch(self._wake.set)
        whole.reporter.start()
        poll.start()
        log.info("agent_started", extra={"host_id": str(host_id), "epoch": epoch})
        try:
            self._take_turns(whole)
        finally:
            self._stopping.set()
            poll.stop(_PATIENCE)
            whole.workers.close(_PATIENCE)
            whole.reporter.stop(_PATIENCE)

    def _take_turns(self, whole: Assembly) -> None:
        """Before the first assignment nothing is touched: what looks like a leak may be wanted."""
        due: float | None = None
        while True:
            self._wake.wait(due)
            self._wake.clear()
            if whole.workers.killed is not None:
                raise whole.workers.killed
            if self._stopping.is_set():
                return
            assignment = self._assignment
            if assignment is not None:
                due = self._take_turn(whole, assignment)

    def _take_turn(self, whole: Assembly, assignment: Assignment) -> float:
        """Seconds until the next. A turn that fails must not take the agent, and all other servers, down."""
        try:
            due = whole.turns.take(assignment, time.monotonic())
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            if why != self._turn_failed:
                log.exception("turn_failed")
            self._turn_failed = why
            whole.turns.failed(why)
            due = RETRY
        else:
            self._turn_failed = ""
        return max(_MOST_OFTEN, min(due, self._conf.agent.report_interval))

    # --- before the first turn -----------------------------------------------------------------------

    def _enrol(self) -> UUID:
        path, checkpoint = self._paths.identity, self._hooks.checkpoint
        me = self._persist("identity", lambda: identity.prepare(path, self.host, checkpoint))
        token = Path(self._conf.agent.enrol_token)
        me = self._persist("enrolment", lambda: identity.enrol(me, path, self._api, token, checkpoint))
        assert me.host_id is not None  # noqa: S101 - what enrolling is for
        self._api.use(me.host_id, me.secret)
        return me.host_id

    def _open_session(self) -> HostSession:
        try:
            return self._api.open_session()
        except KcloudError as error:
            # A refused credential may be mended on the other side; guests here are no worse for our waiting.
            raise Unavailable(f"no session: {error}") from error

    def _persist(self, what: str, ask: Callable[[], Answer]) -> Answer:
        """Ask until there is an answer; raise what no repetition would change. A disk that is full may be
        emptied."""
        backoff = Backoff(Random())  # noqa: S311 - jitter
        said = ""
        while not self._stopping.is_set():
            try:
                return ask()
            except (Unavailable, DriverError, OSError) as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("waiting", extra={"for": what, "reason": said})
            self._pause(backoff.next())
        raise _Stopped

    def _pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    # --- called from other threads ---------------------------------------------------------------------

    def _assigned(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._wake.set()

    def _accepted(self) -> None:
        self.ready.set()
        self._news.set()

    def _replaced(self) -> None:
        self.error = Replaced(
            f"another agent reports for host {self.host}; this one stops acting, guests keep running"
        )
        log.critical("agent_replaced", extra={"host": self.host, "reason": str(self.error)})
        self._stopping.set()
        self._wake.set()


def _unexpected(error: BaseException) -> BaseException | None:
    return None if isinstance(error, KcloudError) else error
