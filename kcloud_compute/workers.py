"""Threads that carry out jobs: one job per key at a time, its stages in order, a failure ends it.

Threads are daemons: an agent that is told to end does not wait for a guest's graceful shutdown. Whatever is
left half done is finished by the next agent.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from kcloud_common.log import alike, asked_by
from kcloud_common.wire import ServerWant
from kcloud_compute.actions import Action, CutCard, OnDevice, Start, device_of
from kcloud_compute.faults import Failure, failure, is_expected
from kcloud_compute.images import Cancelled, Interrupted
from kcloud_compute.stages import gravest, stages
from kcloud_compute.together import at_once

log = logging.getLogger(__name__)

Key = tuple[str, UUID]
"""Kind of job (`server`, `cut` short, `console`, `claim`, `device`) and what it is about."""


@dataclass(frozen=True, slots=True)
class Job:
    key: Key
    actions: tuple[Action, ...]
    want: ServerWant | None = None
    """The state that the actions lead to."""


@dataclass(frozen=True, slots=True)
class Outcome:
    job: Job
    last_step: str
    failure: Failure | None = None
    interrupted: bool = False
    device: str = ""
    """To which the failure happened, where it happened to one."""

    @property
    def touched_devices(self) -> bool:
        return any(isinstance(action, OnDevice) for action in self.job.actions)


class _Running:
    """A job that has been taken on."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.step = job.actions[0].step
        self.cancelled = threading.Event()
        self.stage: tuple[Action, ...] = ()
        self.began = 0.0, 0.0
        """When its stage began, by the clock that never goes back and by the wall's."""
        self.starting: tuple[float, float] | None = None
        """When its start began, and how long that may take."""


class Workers:
    """`wake` is called, from a worker, when there is an outcome, and when a slow step begins."""

    def __init__(
        self, threads: int, do: Callable[[Action, Cancelled], None], wake: Callable[[], None]
    ) -> None:
        self._limit, self._do, self._wake = threads, do, wake
        self._lock = threading.Lock()
        self._running: dict[Key, _Running] = {}
        self._outcomes: list[Outcome] = []
        self._queue: queue.SimpleQueue[_Running | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self.killed: BaseException | None = None
        """What no handler may catch: the process is as good as dead."""

    def submit(self, job: Job) -> bool:
        """False when its key is busy: the next turn will see what is left to do. RuntimeError when the host
        gives not even one thread; nothing was taken on then."""
        with self._lock:
            if self._closing or job.key in self._running:
                return False
            if len(self._threads) < min(self._limit, len(self._running) + 1):
                self._add_thread()
            running = self._running[job.key] = _Running(job)
            self._queue.put(running)
        return True

    def _add_thread(self) -> None:
        try:
            self._threads.append(_daemon(self._work, f"kcloud-worker-{len(self._threads)}"))
        except RuntimeError:  # the host's limit of threads is reached
            if not self._threads:
                raise

    def steps(self) -> dict[Key, str]:
        """Every busy key, and what is being done there."""
        with self._lock:
            return {key: running.step for key, running in self._running.items()}

    def cutting(self) -> frozenset[str]:
        """Cards that are being cut."""
        with self._lock:
            actions = [action for running in self._running.values() for action in running.job.actions]
        return frozenset(device_of(action) for action in actions if isinstance(action, CutCard))

    def hanging(self, patience: float = 300.0) -> dict[str, tuple[str, float]]:
        """Devices and cards with which a step takes longer than `patience`: the step, and when it began."""
        until = time.monotonic() - patience
        with self._lock:
            late = [running for running in self._running.values() if 0 < running.began[0] < until]
        found = ((device_of(action), action.step, each.began[1]) for each in late for action in each.stage)
        return {device: (step, began) for device, step, began in found if device}

    def overdue(self) -> dict[UUID, float]:
        """Servers whose start takes longer than it may, with the seconds that were allowed."""
        now = time.monotonic()
        with self._lock:
            return {
                key[1]: running.starting[1]
                for key, running in self._running.items()
                if running.starting is not None and now - running.starting[0] > running.starting[1]
            }

    def supersede(self, want: ServerWant) -> ServerWant | None:
        """End a job between two actions if it leads to another state than this one. Returns what the job
        was for when it is told so for the first time."""
        with self._lock:
            running = self._running.get(("server", want.id))
            if running is None or running.job.want is None or running.cancelled.is_set():
                return None
            if _aim(running.job.want) == _aim(want):
                return None
            running.cancelled.set()
            return running.job.want

    def outcomes(self) -> list[Outcome]:
        """What has ended since the last call. Their keys were set free before."""
        with self._lock:
            ended, self._outcomes = self._outcomes, []
        return ended

    def close(self, patience: float) -> None:
        """Let actions that are being done end, for a while; begin no others."""
        with self._lock:
            self._closing = True
            for running in self._running.values():
                running.cancelled.set()
            for _ in self._threads:
                self._queue.put(None)
        until = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while (running := self._queue.get()) is not None:
            try:
                outcome = self._carry_out(running)
            except BaseException as error:
                self.killed = error
                self._closing = True
                self._wake()
                return
            with self._lock:
                self._outcomes.append(outcome)
                del self._running[running.job.key]
            self._wake()

    def _carry_out(self, running: _Running) -> Outcome:
        job = running.job
        with asked_by(_asker(job)):
            steps = " ".join(action.step for action in job.actions)
            log.info("work_begun", extra={**_about(job), "steps": steps})
        for stage in stages(job.actions):
            if running.cancelled.is_set() or self._closing:
                return Outcome(job, running.step, interrupted=True)
            running.step, running.stage = stage[0].step, stage
            running.began = time.monotonic(), time.time()
            allowed = [action.seconds for action in stage if isinstance(action, Start)]
            running.starting = (time.monotonic(), allowed[0]) if allowed else None
            if running.step in _SLOW:
                self._wake()
            errors = at_once([partial(self._attempt, running, action) for action in stage])
            ended = gravest(stage, errors)
            if ended is not None:
                return _outcome(job, *ended)
            running.step = stage[-1].step
        return Outcome(job, running.step)

    def _attempt(self, running: _Running, action: Action) -> BaseException | None:
        """What went wrong, if anything did."""
        job, began = running.job, time.monotonic()
        with asked_by(_asker(job)):
            try:
                self._do(action, running.cancelled.is_set)
            except BaseException as error:
                _log(job, action, error)
                return error
            took = round((time.monotonic() - began) * 1000)
            log.info("step_done", extra={**_about(job), "step": action.step, "ms": took})
        return None


def _outcome(job: Job, action: Action, error: BaseException) -> Outcome:
    if isinstance(error, Interrupted):
        return Outcome(job, action.step, interrupted=True)
    if isinstance(error, Exception):
        return Outcome(job, action.step, failure(error), device=device_of(action))
    raise error


def _aim(want: ServerWant) -> tuple[object, ...]:
    """What makes work towards one want useless for another; a console request, say, does not."""
    return want.generation, want.presence, want.power


_SLOW = frozenset({"image", "stop"})
"""Steps that are worth a report of their own."""


def _log(job: Job, action: Action, error: BaseException) -> None:
    """Neither the want nor the action: they carry what is the tenant's own business."""
    if isinstance(error, Interrupted) or not isinstance(error, Exception):
        return
    facts = {**_about(job), "step": action.step, "reason": f"{type(error).__name__}: {error}"}
    log.warning("step_failed", extra=facts, exc_info=None if is_expected(error) else error)


def _about(job: Job) -> dict[str, str]:
    kind, id = job.key
    if kind == "device":
        return {"device": device_of(job.actions[0])}
    return {"claim_id" if kind == "claim" else "server_id": str(id)}


def _asker(job: Job) -> str:
    """The request that waits for the job."""
    return job.want.request_id if job.want else ""


def _daemon(target: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=alike(target), name=name, daemon=True)
    thread.start()
    return thread
