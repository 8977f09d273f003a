"""One turn of the agent: note what ended, look, plan, hand out jobs, report. Never waits for a job."""

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from kcloud_common.wire import Assignment, Power, Presence, ServerWant
from kcloud_compute.actions import (
    Action,
    CutCard,
    DeviceAction,
    FetchImage,
    Stop,
    UploadConsole,
    device_of,
)
from kcloud_compute.addresses import AddressBook
from kcloud_compute.care import now_utc
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.disks import GIB
from kcloud_compute.faults import Failure
from kcloud_compute.images import ImageCache
from kcloud_compute.ledger import Ledger
from kcloud_compute.observed import Observed
from kcloud_compute.pauses import Pauses
from kcloud_compute.planner import HostPlan, ServerPlan, plan
from kcloud_compute.report import HostFacts, Progress
from kcloud_compute.reporter import Reporter
from kcloud_compute.sight import RETRY, Sight
from kcloud_compute.telling import Seen, Telling
from kcloud_compute.translate import Host
from kcloud_compute.troubles import Troubles
from kcloud_compute.workers import Job, Key, Outcome, Workers

log = logging.getLogger(__name__)


Steps = dict[Key, str]
"""Of jobs that are being done."""

Accepted = deque[tuple[str, int]]
"""Certificates that the control plane has: device and sequence. The thread that reports puts them in."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a turn uses."""

    sight: Sight
    workers: Workers
    ledger: Ledger
    devices: DeviceLedger
    accepted: Accepted
    addresses: AddressBook
    reporter: Reporter
    images: ImageCache


@dataclass(frozen=True, slots=True)
class Settings:
    """What does not change while an agent runs."""

    host: Host
    facts: HostFacts
    image_limit_gib: int
    clock: Callable[[], datetime] = now_utc
    """For what people read."""


class Turns:
    """One thread's. `now` is any clock that does not go back."""

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self._parts, self._settings = parts, settings
        self._consoles: dict[UUID, int] = {}
        self._pauses: Pauses[Key] = Pauses()
        self._troubles = Troubles()
        self._telling = Telling(settings.facts, parts.reporter)

    def take(self, assignment: Assignment, now: float) -> float:
        """Seconds after which the next turn is due, if nothing happens before."""
        parts = self._parts
        # Who works now is left alone this turn, even if done a moment later: what is seen may be older.
        working, cutting = parts.workers.steps(), parts.workers.cutting()
        held = parts.sight.hold(bool(cutting), now)
        self._note_outcomes(assignment, now)
        self._note_accepted()
        assigned = {want.id for want in assignment.servers}
        parts.ledger.keep_only(assigned)
        self._consoles = {id: count for id, count in self._consoles.items() if id in assigned}
        for want in assignment.servers:
            self._supersede(want)
        present = (want for want in assignment.servers if want.presence is Presence.PRESENT)
        claimed = {claim.device for want in present for claim in want.claims}
        # A cut that is under way cannot be called back: who comes too late for its card waits for the end.
        seen = parts.sight.inventory.slices
        claimed -= {name for name in claimed if name in seen and seen[name].card in cutting}
        observed = parts.sight.look(now, self._consoles, assignment.layout, claimed)
        if observed is None:
            self._telling.trouble(parts.sight.problems)
            return RETRY
        observed = replace(observed, cutting=cutting, dated=held)
        todo = plan(assignment, observed, self._settings.host)
        self._hand_out(todo, working, now)
        parts.addresses.refresh(observed.domains, now)
        self._report(assignment, todo, observed, working)
        busy = {id for kind, id in parts.workers.steps() if kind == "server"}
        due = min(parts.ledger.next_try(now, busy), parts.addresses.due(now), self._pauses.due(now))
        return min(due, RETRY) if parts.sight.problems else due

    def _note_accepted(self) -> None:
        """What cannot be written down now is told to the control plane once more."""
        parts = self._parts
        try:
            while parts.accepted:
                parts.devices.accepted(*parts.accepted[0])
                parts.accepted.popleft()
        except OSError:
            parts.sight.doubt_storage()  # which tells

    def failed(self, why: str) -> None:
        """The last turn ended early, and its successors may: what was reported stands no longer for all."""
        self._parts.sight.doubt_storage()
        self._telling.trouble((f"agent: a turn failed: {why}",))

    # --- what ended ----------------------------------------------------------------------------------

    def _note_outcomes(self, assignment: Assignment, now: float) -> None:
        for outcome in self._parts.workers.outcomes():
            if outcome.touched_devices:
                self._parts.sight.rescan()
            if outcome.job.want is not None:
                self._parts.ledger.stepped(outcome.job.want.id, outcome.last_step)
            if outcome.failure is not None:
                self._note_failure(outcome, outcome.failure, now)
            elif not outcome.interrupted:
                self._troubles.ended(map(device_of, outcome.job.actions))
                self._pauses.succeeded(outcome.job.key)
                self._note_done(outcome.job.actions, assignment)

    def _note_failure(self, outcome: Outcome, failure: Failure, now: float) -> None:
        job = outcome.job
        self._parts.sight.doubt_storage()
        if job.want is not None:
            self._parts.ledger.failed(job.want, failure, now)
            standing = self._parts.ledger.of(job.want.id)
            self._note_trouble(outcome, failure, math.inf if standing.given_up else standing.not_before - now)
            return
        self._pauses.failed(job.key, now)
        cuts = [action for action in job.actions if isinstance(action, CutCard) and failure.permanent]
        for cut in cuts:
            self._troubles.ended([cut.card.name])  # its drift says it all
            self._parts.sight.refused(cut.card.name, cut.plan, failure.words)
        if not cuts:
            self._note_trouble(outcome, failure, self._pauses.wait(job.key, now))
        if failure.permanent:
            # A console that the control plane does not want, say because its server is gone there.
            self._note_uploads(job.actions)

    def _note_trouble(self, outcome: Outcome, failure: Failure, pause: float) -> None:
        again = None if pause == math.inf else self._settings.clock() + timedelta(seconds=pause)
        self._troubles.failed(outcome.device, failure.words, again)

    def _note_done(self, actions: Sequence[Action], assignment: Assignment) -> None:
        self._note_uploads(actions)
        if any(isinstance(action, FetchImage) for action in actions):
            wanted = {want.image.sha512 for want in assignment.servers if want.image}
            for digest in self._parts.images.trim(self._settings.image_limit_gib * GIB, wanted):
                log.info("image_removed", extra={"sha512": digest})

    def _note_uploads(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, UploadConsole):
                self._consoles[action.server_id] = action.count

    # --- what to do ----------------------------------------------------------------------------------

    def _supersede(self, want: ServerWant) -> None:
        """A job towards another state ends early. A guest that is being asked to shut down, and is now to
        be removed, is not waited for."""
        former = self._parts.workers.supersede(want)
        graceful = former is not None and former.presence is Presence.PRESENT and former.power is Power.OFF
        if graceful and want.presence is Presence.ABSENT:
            self._parts.workers.submit(Job(("cut", want.id), (Stop(want.id, 0.0),)))

    def _hand_out(self, todo: HostPlan, working: Steps, now: float) -> None:
        for server in todo.servers:
            if ("server", server.want.id) not in working:
                self._hand_out_server(server, now)
        for upload in todo.consoles:
            self._hand_out_other(Job(("console", upload.server_id), (upload,)), working, now)
        for release in todo.orphans:
            self._hand_out_other(Job(("claim", release.claim_id), (release,)), working, now)
        for action in todo.devices:
            self._hand_out_other(Job(("device", device_key(action)), (action,)), working, now)

    def _hand_out_server(self, server: ServerPlan, now: float) -> None:
        want, ledger = server.want, self._parts.ledger
        if server.obstacle is None and not server.actions:
            ledger.settled(want)
        elif not ledger.may_try(want, now):
            return
        elif server.obstacle is not None:
            ledger.failed(want, Failure(server.obstacle.fault, server.obstacle.permanent), now)
        else:
            self._parts.workers.submit(Job(("server", want.id), server.actions, want))

    def _hand_out_other(self, job: Job, working: Steps, now: float) -> None:
        if job.key not in working and self._pauses.may_try(job.key, now):
            self._parts.workers.submit(job)

    # --- what to say ---------------------------------------------------------------------------------

    def _report(self, assignment: Assignment, todo: HostPlan, observed: Observed, working: Steps) -> None:
        parts = self._parts
        steps = working | parts.workers.steps()
        progress = Progress(
            steps={id: step for (kind, id), step in steps.items() if kind == "server"},
            standings={want.id: parts.ledger.of(want.id) for want in assignment.servers},
            retrying=frozenset(want.id for want in assignment.servers if parts.ledger.is_retrying(want)),
            addresses=parts.addresses.all(),
            overdue=parts.workers.overdue(),
        )
        sight = parts.sight
        troubles = self._troubles.told(parts.workers.hanging())
        seen = Seen(sight.inventory, observed, todo, sight.problems, troubles, sight.layout_version)
        self._telling.report(assignment, seen, progress)


def device_key(action: DeviceAction) -> UUID:
    """One thing at a time is done to a device."""
    return uuid5(NAMESPACE_URL, f"kcloud:device:{device_of(action)}")
